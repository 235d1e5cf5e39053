// SPDX-License-Identifier: BSD-3-Clause
//
// Whether a filter can match at all.
//
//     ldh [12]; jeq #0x800, ...; jeq #0x86dd, match      no packet is IPv4 and IPv6
//
// Looks for one way through the decision graph that ends in a match and on which no answer contradicts another.  Most
// filters have one in the first ways that are tried, so this costs a fraction of compiling the filter.
//
// Tested by: pcap_filter_test.cc.

#pragma once

#include <cbpfc/cbpf.h>

namespace cbpfc::optimizer {

/// Whether it is certain that `filter` returns 0 for every packet, of any length.  What the facts (facts.h) cannot
/// tell, and filters of very many ways, may match.
bool matches_nothing(const Filter& filter);

}  // namespace cbpfc::optimizer

// SPDX-License-Identifier: BSD-3-Clause
//
// Expressions that no packet can match, such as `ip and ip6`.

#pragma once

#include <cbpfc/cbpf.h>

namespace cbpfc::optimizer {

/// Whether it is certain that `filter` returns 0 for every packet, of any length.  What the facts (facts.h) cannot
/// tell, and filters of very many ways, may match.
bool matches_nothing(const Filter& filter);

}  // namespace cbpfc::optimizer

// SPDX-License-Identifier: BSD-3-Clause
//
// Whether xdpcap has an answer to all that a filter asks beside the packet's bytes.

#pragma once

#include <cbpfc/cbpf.h>
#include <cbpfc/pcap_filter.h>
#include <cbpfc/result.h>

#include <string_view>

namespace xdpcap {

/// Refuses a filter with a load that capture programs cannot answer.  `expression`: what it was compiled from; empty for a program.
/// Errors: Errc::Unsupported, with the load or the keyword and the reason.
cbpfc::Result<void> check_loads(const cbpfc::Filter& filter, const cbpfc::LinkType& link_type,
                                std::string_view expression);

}  // namespace xdpcap

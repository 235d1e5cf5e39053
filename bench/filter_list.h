// SPDX-License-Identifier: BSD-3-Clause
//
// The expressions to measure, and which of them belong together.

#pragma once

#include <cbpfc/cbpf.h>
#include <cbpfc/pcap_filter.h>

#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// The lines of a file, without empty ones.
/// Errors: Errc::Io when it cannot be read or has none.
cbpfc::Result<std::vector<std::string>> read_expressions(const std::string& path);

/// The group an expression is shown in, in the order of kGroups.
std::string_view group_of(std::string_view expression);
inline constexpr std::array<std::string_view, 6> kGroups = {
    "protocol, length", "ports", "addresses", "header fields", "VLAN, MPLS", "or-lists"};

/// Expression to filter.  Errors: those of libpcap and of Filter::decode().
cbpfc::Result<cbpfc::Filter> classic_filter(const std::string& expression,
                                            const cbpfc::ExpressionOptions& options);

}  // namespace bench

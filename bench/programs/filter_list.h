// SPDX-License-Identifier: BSD-3-Clause
//
// The expressions to measure, and which of them belong together.

#pragma once

#include <cbpfc/cbpf.h>

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

/// Expression to filter, as cbpfc has it, or by libpcap's optimiser.  Errors: those of libpcap and of Filter::decode().
cbpfc::Result<cbpfc::Filter> classic_filter(const std::string& expression,
                                            bool by_libpcaps_optimiser = false);

}  // namespace bench

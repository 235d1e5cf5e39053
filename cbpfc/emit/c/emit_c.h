// SPDX-License-Identifier: BSD-3-Clause
//
// The end of the compiler for C.

#pragma once

#include <cbpfc/compile_c.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "cbpfc/graph/graph.h"

namespace cbpfc {

/// Most that COptions::packet_start_offset_bytes may be.
inline constexpr std::uint32_t kMostPacketStartOffset = 0x3fff;

/// What is wrong with a function's name, in the outputs that have one, and what to do; empty if it is good (compile_c.cc).
std::string function_name_fault(std::string_view name);

/// The macros that the text of emit_c() uses, behind a guard against being there twice.
extern const char* const kCPreamble;

/// The function for a graph.
///
/// Requires: valid options; every load behind a Fits that covers it.
std::string emit_c(const optimizer::Graph& graph, const COptions& options);

}  // namespace cbpfc

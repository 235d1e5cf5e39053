// SPDX-License-Identifier: BSD-3-Clause
//
// The end of the compiler for C.

#pragma once

#include <cbpfc/compile_c.h>

#include <string>

#include "cfg.h"

namespace cbpfc {

/// Most that COptions::packet_start_offset_bytes may be.
inline constexpr std::uint32_t kMostPacketStartOffset = 0x3fff;

/// Emits the function for a graph that has been through run_passes() and remove_dead_steps().
///
/// Requires: valid options; every load guarded; no LoadIndirect.
std::string emit_c(const Cfg& cfg, const COptions& options);

/// The macros that the function's text uses, behind a guard against being there twice.
extern const char* const kCPreamble;

}  // namespace cbpfc

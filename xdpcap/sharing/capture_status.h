// SPDX-License-Identifier: BSD-3-Clause
//
// The captures on a hook, living and dead, with their counters, for who looks from outside.
//
// Who a capture belongs to is what the kernel has noted of its program.
// Tested by: xdpcap/tests/kernel/sharing/chain_test.cc, xdpcap/tests/kernel/end_to_end/commands_test.cc.

#pragma once

#include <optional>
#include <vector>

#include "xdpcap/program/counters.h"
#include "xdpcap/sharing/chain.h"

namespace xdpcap {

struct CaptureStatus {
  ChainMember member;
  bool is_starting = false;                               ///< its programs are not in the chain yet
  std::uint32_t user_id = 0;                              ///< of who loaded its programs
  std::optional<ActionCounters> counters = std::nullopt;  ///< nullopt: they could not be read
};

/// Those of this user on `hook`.
/// Errors: those of Chain::find().
Result<std::vector<CaptureStatus>> captures_on(const Hook& hook);

}  // namespace xdpcap

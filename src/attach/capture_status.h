// SPDX-License-Identifier: BSD-3-Clause
//
// The captures on a hook, living and dead, with their counters, for who looks from outside.
//
// Counters are read where capture programs count: the map is found by its name among the maps of a capture's program.
//
// Reading counters needs CAP_SYS_ADMIN.
// Tested by: tests/kernel/chain_test.cc, tests/kernel/end_to_end/commands_test.cc.

#pragma once

#include <optional>
#include <vector>

#include "attach/chain_find.h"
#include "attach/counters.h"

namespace xdpcap {

struct CaptureStatus {
  ChainMember member;
  bool is_alive = false;
  std::optional<ActionCounters> counters;  ///< nullopt: they could not be read
};

/// Those on `hook`; remains of dead ones last.  Without CAP_SYS_ADMIN those that `ask_others` leads to, without counters.
/// Errors: those of reach_chains().
Result<std::vector<CaptureStatus>> captures_on(const Hook& hook, const AskOthers& ask_others);

}  // namespace xdpcap

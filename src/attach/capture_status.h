// SPDX-License-Identifier: BSD-3-Clause
//
// The captures on a hook, living and dead, with their counters, for who looks from outside.
//
// Counters are read where capture programs count: the map is found by its name among the maps of a capture's program.
//
// Needs CAP_SYS_ADMIN.
// Tested by: tests/kernel/chain_test.cc, tests/kernel/end_to_end/commands_test.cc.

#pragma once

#include <optional>
#include <vector>

#include "attach/chain.h"
#include "attach/counters.h"

namespace xdpcap {

struct CaptureStatus {
  ChainMember member;
  bool is_alive = false;
  std::optional<ActionCounters> counters;  ///< nullopt: they could not be read
};

/// Those on `hook`; remains of dead ones last.
/// Errors: those of find_chains().
Result<std::vector<CaptureStatus>> captures_on(const Hook& hook);

/// Those of a chain, without their counters if these may not be asked for.
std::vector<CaptureStatus> captures_of(const Chain& chain);

}  // namespace xdpcap

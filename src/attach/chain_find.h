// SPDX-License-Identifier: BSD-3-Clause
//
// Finding the chain on a hook by looking at all programs of the machine, and what dead captures have left in its slots.
//
// A chain's maps exist as long as a process has them, or a program in a slot uses them.  With no process left they are remains: programs
// that still filter, and record until their rings are full.  chain_state.h says whose they were.
//
// Each chain has programs as long as a process lives that has it: its dispatchers.  A chain that has just been made is found, too.
//
// Needs CAP_SYS_ADMIN.  Cost: three system calls a program.
// Tested by: tests/kernel/chain_test.cc.

#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "attach/chain.h"

namespace xdpcap {

/// A chain none of whose captures lives.
struct Remains {
  std::uint32_t state_map_id = 0;
  std::vector<ChainMember> members;
};

struct FoundChains {
  std::optional<Chain> live;  ///< that a living capture is in
  /// Captures of other chains with a living one, as when two start at the same moment without the lock.
  std::vector<ChainMember> strangers;
  std::vector<Remains> remains;
};

/// Errors: Permission naming CAP_SYS_ADMIN; Unsupported when a capture of another version lives there; Kernel.
Result<FoundChains> find_chains(const Hook& hook);

/// Asks running captures for the parts of their chain (guard/chain_service.h); may be empty.
using AskOthers = std::function<std::optional<ChainParts>()>;

/// The same; without CAP_SYS_ADMIN, what running captures answer.  What else there is is not known then.
/// Errors: Unsupported, Kernel.
Result<FoundChains> reach_chains(const Hook& hook, const AskOthers& ask_others);

/// Empties the slots that hold programs of `remains`, with the hook's turn.  How many those were.
Result<std::size_t> remove_remains(const Hook& hook, const Remains& remains);

}  // namespace xdpcap

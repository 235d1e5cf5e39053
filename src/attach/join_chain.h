// SPDX-License-Identifier: BSD-3-Clause
//
// How a new capture comes to share a hook: the chain there is or a new one, without what dead captures have left.
//
// Tested by: tests/kernel/chain_test.cc, tests/kernel/faults/crowd_test.cc.

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "attach/chain.h"
#include "attach/chain_find.h"
#include "attach/chain_place.h"
#include "attach/hook_lock.h"

namespace xdpcap {

/// What to do about captures that are there.
enum class OnBusy : std::uint8_t {
  Chain,    ///< share the hook with them
  Fail,     ///< do not capture
  Replace,  ///< make them end, and put foreign programs out
};

struct JoinOptions {
  std::vector<Action> actions;
  std::string command_line = {};
  std::string filter = {};
  OnBusy on_busy = OnBusy::Chain;
  AskOthers ask_others = {};
};

struct JoinedChain {
  ChainPlace place;
  std::vector<std::string> notes;  ///< what was cleaned up, in sentences for the user
};

/// Takes a place for this process, that no capture program is in yet.
/// Ownership: `hook` and `lock` must outlive the place.
/// Errors: Busy, as `on_busy` says, when all places are taken, or when one that was told to leave did not; Permission; Kernel.
Result<JoinedChain> join_chain(const Hook& hook, const Variant& variant, const HookLock& lock,
                               const JoinOptions& options);

/// Makes those captures of a chain end that `which` says: asks them, and takes out after two seconds what has not left.
/// How many there were.
Result<std::size_t> end_captures(Chain& chain, const HookLock& lock, chain::Reason why,
                                 const std::function<bool(const ChainMember&)>& which);

/// Takes out captures whose process is dead, with the hook's turn; sentences on them.
Result<std::vector<std::string>> remove_dead(Chain& chain);

}  // namespace xdpcap

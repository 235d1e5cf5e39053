// SPDX-License-Identifier: BSD-3-Clause
//
// XDP actions: the return codes of XDP programs, which are also the indexes of a hook's slots.
//
// The kernel knows five, and drops packets with any other as with XDP_ABORTED.  A program may return others all the same, and a hook
// may have slots for them; such slots are captured as "action 5" and so on.

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace xdpcap {

/// The five of the kernel are named; others, below kMostActions, are numbers: see action_of().
/// Source: Linux include/uapi/linux/bpf.h enum xdp_action.
enum class Action : std::uint8_t { Aborted, Drop, Pass, Tx, Redirect };

/// The kernel's.
inline constexpr std::array<Action, 5> kActions = {Action::Aborted, Action::Drop, Action::Pass,
                                                   Action::Tx, Action::Redirect};

/// Actions, and so slots of a hook, that can be captured: the first.  A chain's members have a bit for each.
inline constexpr std::size_t kMostActions = 32;

/// Something for each of them, by its number.
template <typename Value>
using ByAction = std::array<Value, kMostActions>;

constexpr std::size_t index(Action action) {
  return static_cast<std::size_t>(action);
}

/// `number` must be below kMostActions.
constexpr Action action_of(std::size_t number) {
  return static_cast<Action>(number);
}

/// The actions 0 to `count` - 1, at most kMostActions.
std::vector<Action> first_actions(std::size_t count);

/// "XDPAborted", "XDPDrop", "XDPPass", "XDPTx", "XDPRedirect", "action 5", ... "action 31".
std::string_view name(Action action);

/// The same for the names of BPF programs: "aborted", ... "redirect", "action5".
std::string short_name(Action action);

}  // namespace xdpcap

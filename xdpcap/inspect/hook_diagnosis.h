// SPDX-License-Identifier: BSD-3-Clause
//
// Why nothing was captured.
//
// A packet that ends in a file has come a long way, and each step of it can be the one that is missing:
//
//     interface is up ─► runs the program ─► hook ─► captured action ─► filter matches ─► no limit ─► room in the ring ─► written
//
// why_nothing_was_captured() names the first step that no packet took; check_hook() goes through them all.  Counters
// are believed before facts: a hook that packets reach is in use, wherever its program may run.
//
// Nothing is asked of the kernel here: facts and numbers go in, sentences come out.  Names in them are as they were
// found; who prints them makes them printable.
//
// Tested by: xdpcap/tests/hook/hook_diagnosis_test.cc.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "xdpcap/inspect/hook_inventory.h"
#include "xdpcap/inspect/hook_proof.h"
#include "xdpcap/kernel/action.h"
#include "xdpcap/program/counters.h"

namespace xdpcap {

/// What became of the packets with a captured action.
struct CapturedAction {
  Action action = Action::Aborted;
  std::uint64_t received = 0;
  std::uint64_t matched = 0;
  std::uint64_t held_back = 0;
  std::uint64_t written = 0;
  std::uint64_t lost = 0;
};

/// Packets with an action that is not captured.
struct OtherAction {
  Action action = Action::Aborted;
  std::uint64_t received = 0;
};

struct CaptureSituation {
  Result<HookFacts> facts;  ///< or why they are not known
  std::string filter;       ///< the expression; empty: every packet
  std::vector<CapturedAction> captured;
  std::optional<std::vector<OtherAction>> others;  ///< nullopt: not counted
  std::optional<HookProof> proof =
      std::nullopt;        ///< nullopt: not looked for, as while a capture runs
  bool is_counted = true;  ///< false: nothing was put into the hook, so nothing is known of packets
  bool is_recorded =
      true;  ///< false: packets were only counted, so nothing is asked of limits, rings and output
};

/// Takes over what was counted: of actions in `captured` all, of the others how many packets came.
void set_counts(CaptureSituation& situation, std::span<const Action> all,
                std::span<const Action> captured, const ActionCounters& counters);

/// Why no packet can reach the hook before its facts change: a line without full stop.  Empty if packets may come, as
/// they may to a program in another network namespace, or if the facts are not known.
std::string certain_obstacle(const HookFacts& facts);

/// One line, without full stop; nullopt if a packet was written, or nothing was counted and nothing is in the way.
std::optional<std::string> why_nothing_was_captured(const CaptureSituation& situation);

enum class CheckResult : std::uint8_t { Ok, No, Unknown };

struct HookCheck {
  CheckResult result = CheckResult::Unknown;
  std::string looked_at;  ///< "a program uses the hook"
  std::string found;      ///< "program 31 "firewall""
  std::string advice;     ///< what to do; empty if there is nothing to be done
};

/// All steps, from the hook to the file.
std::vector<HookCheck> check_hook(const CaptureSituation& situation);

}  // namespace xdpcap

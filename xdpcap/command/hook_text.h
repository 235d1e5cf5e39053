// SPDX-License-Identifier: BSD-3-Clause
//
// Hooks for people and for programs.
//
//     /sys/fs/bpf/xdpcap_hook
//       map       12 "xdpcap_hook", 5 slots
//       program   31 "firewall"
//                   on eth0 (up, native)
//                   on eth1 (down, generic)
//       capture   pid 4242, user 0: xdpcap /sys/fs/bpf/xdpcap_hook out.pcapng tcp port 80
//                   tcp port 80; XDPDrop, XDPPass
//                   12 received, 7 matched; capturing
//       slot      2 XDPPass: program 40 "xdpcap_pass", of a capture
//
// A program array that is not shown to be a hook (xdpcap/inspect/hook_proof.h) is listed as such, without advice:
//
//     /sys/fs/bpf/plugins: program array, not a hook
//       because   program 33 "lb" tail-calls slot 1, and returns 2 if the slot is empty
//       map       14 "plugins", 32 slots
//       program   33 "lb"
//
// Lists end after kMostListed, long texts after kMostTextBytes.
//
// In JSON, one object a line, nothing is left out; what is not known is null, and `users_unknown` and
// `captures_unknown` say why.
//
// Tested by: xdpcap/tests/command/hook_text_test.cc.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "xdpcap/inspect/hook_diagnosis.h"
#include "xdpcap/inspect/hook_inventory.h"
#include "xdpcap/inspect/hook_proof.h"

namespace xdpcap::cli {

inline constexpr std::size_t kMostListed = 16;
inline constexpr std::size_t kMostTextBytes = 160;

/// A capture on a hook, as it describes itself.
struct CaptureOnHook {
  std::uint32_t pid = 0;
  std::uint32_t user_id = 0;
  std::string command_line;
  std::string filter;  ///< the expression; empty: every packet
  std::vector<Action> actions;
  std::optional<std::uint64_t> received = std::nullopt;  ///< packets; nullopt: not known
  std::optional<std::uint64_t> matched = std::nullopt;   ///< packets
  std::string state;                                     ///< "capturing", "paused", ...
};

/// What is known of a program array: a hook, or one that is not shown to be any.
struct ListedHook {
  HookFacts facts;
  HookProof proof;
  std::vector<CaptureOnHook> captures;
  std::string captures_unknown =
      {};  ///< why there may be others; empty: these are all of this user
};

/// A block a hook, with an empty line between two; printable.
std::string hooks_text(std::span<const ListedHook> hooks);

/// A line a hook.
std::string hooks_json(std::span<const ListedHook> hooks);

/// A line a check, what to do below it; printable.
std::string checks_text(std::span<const HookCheck> checks);

}  // namespace xdpcap::cli

// SPDX-License-Identifier: BSD-3-Clause
//
// What the captures on one hook share: the only value of the map "xdpcap_chain", mapped into each of their processes.
//
//     hook[action] ──► program of the head ──next──► program of another capture ──next──► foreign program
//          or dispatcher ──head──┘
//
// Captures have positions, 1 to kMostCaptures.  A second map, "xdpcap_next", a program array, has each one's programs at
// place_of(action, position), dispatchers at position 0 and, at kForeignPosition, the program that was in the slot and is
// none of ours.  A capture program ends with a tail call to the place that `next` names for its position; so entering and
// leaving is writing numbers here, which takes no descriptor of anybody else's programs and no capability.  Position 0 ends
// the chain.
//
// Whoever holds the two maps can take out a capture that has died: that is what guardians (guard/guardian.h) and the next
// xdpcap on the hook do.  `members` says whose a position is.
//
// Changes are made under the hook's lock (hook_lock.h), but for the heartbeat and State::ToldToLeave.  Each is a store of one
// aligned number, in an order such that packets meet a chain without gaps after each of them (chain.h).
//
// A reader checks what it finds: any process that may use BPF may have written here.  Programs go on to places of their own action
// only, and loops end with the 33rd tail call: the packet gets its action whatever is written here.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "attach/action.h"

namespace xdpcap::chain {

inline constexpr const char* kStateMapName = "xdpcap_chain";
inline constexpr const char* kProgramsMapName = "xdpcap_next";

/// Of capture programs and dispatchers.
inline constexpr std::string_view kProgramNamePrefix = "xdpcap_";

inline constexpr std::uint32_t kMagic = 0x78646370;  // "xdcp"
inline constexpr std::uint32_t kVersion = 2;

/// The kernel allows 33 tail calls for a packet: one into the slot, one from a dispatcher, one to a foreign program.
/// Source: Linux v6.18 include/linux/bpf.h MAX_TAIL_CALL_CNT.
inline constexpr std::uint32_t kMostCaptures = 31;
inline constexpr std::uint32_t kEndOfChain = 0;          ///< as a position to go on to
inline constexpr std::uint32_t kDispatcherPosition = 0;  ///< in the map of programs
inline constexpr std::uint32_t kForeignPosition = kMostCaptures + 1;
inline constexpr std::uint32_t kPositions = kForeignPosition + 1;

/// Key in the map of programs.
constexpr std::uint32_t place_of(Action action, std::uint32_t position) {
  return static_cast<std::uint32_t>(index(action)) * kPositions + position;
}
inline constexpr std::uint32_t kPlaces = kMostActions * kPositions;

enum class State : std::uint32_t {
  Free = 0,
  Reserved = 1,  ///< somebody is about to enter
  Entered = 2,
  ToldToLeave = 3  ///< entered, and asked to leave by process `told_by_pid`
};

/// Why a capture was told to leave.
enum class Reason : std::uint32_t { Detached = 0, Replaced = 1 };

/// Whose a position is.  Texts end with a zero byte; what does not fit is cut.
struct Member {
  State state;
  std::uint32_t pid;               ///< in its own PID namespace
  std::uint64_t start_time_ticks;  ///< of that process, since boot: /proc/PID/stat
  std::uint64_t pid_namespace;     ///< inode number
  std::uint64_t heartbeat_ns;      ///< CLOCK_MONOTONIC, by its guardian, several times a second
  std::uint32_t user_id;
  std::uint32_t told_by_pid;
  Reason told_why;
  std::uint32_t actions;  ///< bit n: action n; kMostActions of them
  std::array<char, 256> command_line;
  std::array<char, 200> filter;
};
static_assert(sizeof(Member) == 504);

struct ChainState {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint32_t hook_map_id;
  std::uint32_t programs_map_id;  ///< of "xdpcap_next"
  /// Where dispatchers go on to: the first of the chain.  By action.
  ByAction<std::uint32_t> head;
  /// Where the capture program of a position goes on to.  By action, then position.
  ByAction<std::array<std::uint32_t, kPositions>> next;
  std::array<Member, kMostCaptures> members;  ///< position 1 first
};
static_assert(sizeof(ChainState) % 8 == 0);

/// Where a program finds its number, in the value.
constexpr std::uint32_t head_offset(Action action) {
  return static_cast<std::uint32_t>(offsetof(ChainState, head) +
                                    index(action) * sizeof(std::uint32_t));
}
constexpr std::uint32_t next_offset(Action action, std::uint32_t position) {
  return static_cast<std::uint32_t>(
      offsetof(ChainState, next) + (index(action) * kPositions + position) * sizeof(std::uint32_t));
}

}  // namespace xdpcap::chain

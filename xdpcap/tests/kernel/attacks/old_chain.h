// SPDX-License-Identifier: BSD-3-Clause
//
// The shared memory in which captures up to version 2 of the chain recorded who captures on a hook.  Captures no longer read it.  A process
// without any right to the hook could make one, and was believed.

#pragma once

#include <array>
#include <cstdint>

namespace xdpcap::test::old_chain {

inline constexpr const char* kStateMapName = "xdpcap_chain";
inline constexpr const char* kProgramsMapName = "xdpcap_next";
inline constexpr std::uint32_t kMagic = 0x78646370;
inline constexpr std::uint32_t kVersion = 2;
inline constexpr std::uint32_t kActions = 32;
inline constexpr std::uint32_t kMostCaptures = 31;
inline constexpr std::uint32_t kPositions = 33;
inline constexpr std::uint32_t kPlaces = kActions * kPositions;
inline constexpr std::uint32_t kEntered = 2;

constexpr std::uint32_t place_of(std::uint32_t action, std::uint32_t position) {
  return action * kPositions + position;
}

struct Member {
  std::uint32_t state;
  std::uint32_t pid;
  std::uint64_t start_time_ticks;
  std::uint64_t pid_namespace;
  std::uint64_t heartbeat_ns;
  std::uint32_t user_id;
  std::uint32_t told_by_pid;
  std::uint32_t told_why;
  std::uint32_t actions;  ///< a bit for each
  std::array<char, 256> command_line;
  std::array<char, 200> filter;
};
static_assert(sizeof(Member) == 504);

struct State {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint32_t hook_map_id;
  std::uint32_t programs_map_id;
  std::array<std::uint32_t, kActions> head;
  std::array<std::array<std::uint32_t, kPositions>, kActions> next;
  std::array<Member, kMostCaptures> members;  ///< position 1 first
};

}  // namespace xdpcap::test::old_chain

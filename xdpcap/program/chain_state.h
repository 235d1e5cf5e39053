// SPDX-License-Identifier: BSD-3-Clause
//
// What the captures on one hook share: an array of programs, and one value of numbers beside it.
//
//     hook[action] ──► program of the front ──constant──► program of a later position ──constant──► foreign program
//
// Captures have positions, 0 to 7, and are called in that order.  "xdpcap_next", a program array, has the program of each at
// program_key(action, position), and at kForeignPosition the program that was in the slot before them.  `entered` has a bit for
// each place that is to be called: a capture program goes on to the later positions whose bits are set (chain_code.h).
//
// Both maps are pinned in a directory that belongs to one user (chain_directory.h): what is here, that user has written.  Changes
// are made under the directory's lock.

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "xdpcap/kernel/action.h"

namespace xdpcap::chain {

inline constexpr const char* kStateMapName = "xdpcap_chain";
inline constexpr const char* kProgramsMapName = "xdpcap_next";
inline constexpr std::string_view kProgramNamePrefix = "xdpcap_";  ///< of capture programs

inline constexpr std::uint32_t kMagic = 0x78646370;  // "xdcp"
inline constexpr std::uint32_t kVersion = 3;

inline constexpr std::uint32_t kMostCaptures = 8;
inline constexpr std::uint32_t kForeignPosition = kMostCaptures;
inline constexpr std::uint32_t kPositions = kMostCaptures + 1;

/// Key in the map of programs.
constexpr std::uint32_t program_key(Action action, std::uint32_t position) {
  return static_cast<std::uint32_t>(index(action)) * kPositions + position;
}
inline constexpr std::uint32_t kProgramKeys = kMostActions * kPositions;

/// Why a capture was told to leave.
enum class Reason : std::uint32_t { Detached = 0, Replaced = 1 };

/// A capture, for those who look.  Texts end with a zero byte; what does not fit is cut.
struct Member {
  std::uint32_t pid;          ///< in its own PID namespace
  std::uint32_t told_by_pid;  ///< who asked it to leave; 0: not asked
  Reason told_why;
  std::uint32_t actions;  ///< bit n: action n
  std::array<char, 256> command_line;
  std::array<char, 200> filter;
};

struct ChainState {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint32_t hook_map_id;
  std::uint32_t reserved;
  ByAction<std::uint32_t> entered;  ///< bit n: position n is called; kForeignPosition, too
  std::array<Member, kMostCaptures> members;
};

/// Of the value, so that it can be mapped.
inline constexpr std::uint32_t kStateBytes = 4096;
static_assert(sizeof(ChainState) <= kStateBytes);

/// Programs and other processes see the old number or the new one.
template <typename Number>
Number get(Number& shared) {
  return std::atomic_ref<Number>(shared).load(std::memory_order_acquire);
}
template <typename Number>
void set(Number& shared, Number value) {
  std::atomic_ref<Number>(shared).store(value, std::memory_order_release);
}

}  // namespace xdpcap::chain

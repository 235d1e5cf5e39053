// SPDX-License-Identifier: BSD-3-Clause
//
// What became of every packet, in numbers that must add up.
//
//     received = not matched + matched
//     matched  = held back + overwritten + written + lost + unwritten
//
// `received`, `matched`, `held_back` and `lost` are counted by the capture programs, the others by us from what came
// out of the ring; the two sides know nothing of each other, so the second line is a check, not a definition.
//
// It holds at the end.  While a capture runs, some matching packets are still in the rings, and some `in memory` of a
// flight recorder, from where they become written or overwritten; at the end none are, and so that number is no part
// of the equation: a packet forgotten there would be missed.

#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "xdpcap/sharing/hook_capture.h"

namespace xdpcap {

struct PacketTotals {
  std::uint64_t received = 0;
  std::uint64_t matched = 0;
  std::uint64_t held_back = 0;    ///< by a limit
  std::uint64_t overwritten = 0;  ///< fell out of a flight recorder's memory
  std::uint64_t in_memory = 0;    ///< of a flight recorder; 0 at the end
  std::uint64_t written = 0;      ///< the whole block reached the output
  std::uint64_t lost = 0;         ///< no room in the ring, or no record could be made
  std::uint64_t unwritten =
      0;  ///< was in the ring or in memory when the output failed or was stuck
  /// Of those received, what captures behind this one missed: the packet had no tail call left.
  std::uint64_t tail_call_failures = 0;

  /// Whether the numbers of a capture that has ended add up.
  bool is_balanced() const {
    return matched == held_back + overwritten + written + lost + unwritten;
  }

  PacketTotals& operator+=(const PacketTotals& other) {
    received += other.received;
    matched += other.matched;
    held_back += other.held_back;
    overwritten += other.overwritten;
    in_memory += other.in_memory;
    written += other.written;
    lost += other.lost;
    unwritten += other.unwritten;
    tail_call_failures += other.tail_call_failures;
    return *this;
  }
  bool operator==(const PacketTotals&) const = default;
};

using ActionTotals = ByAction<PacketTotals>;

/// What a capture has counted up to a moment.
struct CaptureStatistics {
  std::uint64_t wall_ns = 0;           ///< since 1970, when the numbers were read
  std::vector<ActionCounters> by_cpu;  ///< the capture programs' numbers, for every possible CPU
  ActionTotals totals;                 ///< of the captured actions, over all CPUs
};

/// The totals of `actions` as far as capture programs count them.
ActionTotals count_totals(std::span<const ActionCounters> by_cpu, std::span<const Action> actions);

/// The sum over all actions.
inline PacketTotals sum(const ActionTotals& totals) {
  PacketTotals all;
  for (const PacketTotals& one : totals) {
    all += one;
  }
  return all;
}

}  // namespace xdpcap

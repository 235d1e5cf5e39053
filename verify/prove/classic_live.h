// SPDX-License-Identifier: BSD-3-Clause
//
// Which of A, X and M[] a classic program may still read: what need not be kept where paths meet.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <span>
#include <vector>

namespace cbpfc::prove {

/// Bit 0: A, bit 1: X, bit 2 + i: M[i].
using LiveSet = std::uint32_t;
constexpr LiveSet kLiveA = 1;
constexpr LiveSet kLiveX = 2;
constexpr LiveSet live_slot(std::uint8_t slot) {
  return LiveSet{4} << slot;
}

/// Where control goes after the instruction at `at`; none after a return.
std::vector<std::size_t> successors(const Insn& insn, std::size_t at);

/// What may be read from each instruction on.  Requires: every successor is in the program.
std::vector<LiveSet> live_before(std::span<const Insn> insns);

}  // namespace cbpfc::prove

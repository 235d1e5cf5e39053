// SPDX-License-Identifier: BSD-3-Clause
//
// Random valid classic programs and packets for them, from a seed.
//
// Uniform programs almost never put two loads relative to one X on both sides of a join, which is
// where guard placement can go wrong; so the mix leans towards small X, loads relative to it at
// nearby offsets, short forward jumps and joins.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <random>
#include <vector>

#include "differential/engines.h"

namespace differential {

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  /// A program that Filter::decode accepts.
  cbpfc::Filter program();

  /// A packet of 0 to 96 bytes.
  Packet packet();

 private:
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  template <typename T, std::size_t N>
  T pick(const std::array<T, N>& values) {
    return values[below(static_cast<std::uint32_t>(N))];
  }
  std::uint32_t constant();
  std::uint32_t packet_offset();
  std::uint32_t indirect_offset();
  cbpfc::Size size();
  cbpfc::Operand operand();
  cbpfc::Insn straight();
  cbpfc::Insn load();
  cbpfc::Insn arithmetic();
  cbpfc::Insn set_x();
  cbpfc::Insn jump(std::size_t remaining);

  std::mt19937_64 random_;
  std::uint32_t scratch_slots_ = 0;  ///< slots written at the start of the program being made
};

}  // namespace differential

// SPDX-License-Identifier: BSD-3-Clause
//
// Random valid classic programs and packets for them, from a seed.
//
// Two profiles.  Wide uses every instruction and constant.  Uniform programs almost never put two loads relative to one X on both sides of a join, which is
// where guard placement can go wrong; so the mix leans towards small X, loads relative to it at
// nearby offsets, short forward jumps and joins.
//
// Address has few instructions, those that make an X the verifier knows something of (masked or
// added-to bytes, copied back and forth, compared) and then load relative to it: what a verifier can
// refuse.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <random>
#include <vector>

#include "verify/differential/engines/engines.h"

namespace differential {

enum class Profile : std::uint8_t { Wide, Address };

class Generator {
 public:
  explicit Generator(std::uint64_t seed, Profile profile = Profile::Wide)
      : random_(seed), profile_(profile) {}

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
  cbpfc::Insn address_step();
  cbpfc::Insn load();
  cbpfc::Insn arithmetic();
  cbpfc::Insn set_x();
  cbpfc::Insn jump(std::size_t remaining);

  std::mt19937_64 random_;
  Profile profile_;
  std::uint32_t scratch_slots_ = 0;  ///< slots written at the start of the program being made
};

}  // namespace differential

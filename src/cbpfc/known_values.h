// SPDX-License-Identifier: BSD-3-Clause
//
// What is true of A, X and the scratch slots, whatever the packet: an upper bound, and how many of the
// lowest bits are 0.  value_range.h is about what the kernel verifier knows; this is about the values, and
// counts how many different ones there can be.

#pragma once

#include <array>
#include <cstdint>

#include "cfg.h"

namespace cbpfc {

/// A, X and the scratch slots, by number.
inline constexpr std::size_t kVariables = 3 + kScratchSlots;
using VariableSet = std::uint32_t;  ///< bit i: variable i

constexpr std::size_t variable(Register r) {
  return r == Register::A ? 0 : 1;
}
constexpr std::size_t variable_of_slot(std::uint8_t slot) {
  return 2U + slot;
}
constexpr VariableSet set_of(Register r) {
  return 1U << variable(r);
}

struct KnownValue {
  std::uint32_t max = 0xffffffff;
  std::uint8_t zero_bits = 0;  ///< lowest bits that are 0; 32 for the value 0
  bool operator==(const KnownValue&) const = default;

  static KnownValue constant(std::uint32_t value);
  static KnownValue join(const KnownValue& left, const KnownValue& right);
  /// How many values there are that this allows.
  std::uint64_t count() const { return (std::uint64_t{max} >> zero_bits) + 1; }
};

using KnownValues = std::array<KnownValue, kVariables>;

KnownValues join(const KnownValues& left, const KnownValues& right);

/// What is known after `step`.
KnownValues known_after(const Step& step, KnownValues before);

/// The variables that are read before they are written, before `step`, given those after it.
VariableSet live_before(const Step& step, VariableSet after);
/// Those an exit reads.
VariableSet read_by(const Exit& exit);

/// The variables that some path reads before writing them, at each block's entry; goes round loops.
std::vector<VariableSet> live_at_entries(const Cfg& cfg);
/// What is known at each block's entry; goes round loops.
std::vector<KnownValues> known_at_entries(const Cfg& cfg);

}  // namespace cbpfc

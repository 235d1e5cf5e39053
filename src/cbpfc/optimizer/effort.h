// SPDX-License-Identifier: BSD-3-Clause
//
// What it takes to compute a value of which no part lies in a register.
//
// Of two operands the one that takes more registers is computed first (Sethi and Ullman, 1970), so that a chain of
// sums takes two however long it is, and a balanced tree one more for each level.

#pragma once

#include <cstdint>
#include <vector>

#include "question.h"
#include "value.h"

namespace cbpfc::optimizer {

struct Effort {
  std::uint32_t registers = 1;  ///< at a time
  std::uint32_t parts = 1;      ///< values that are computed
  std::uint32_t cells = 0;      ///< cells among them
};

class Efforts {
 public:
  /// `values` may grow.
  Efforts(const Values& values, const PacketRules& rules) : values_(values), rules_(rules) {}

  const Effort& of(ValueId value);

 private:
  Effort compute(ValueId value) const;

  const Values& values_;
  PacketRules rules_;
  std::vector<Effort> efforts_;
};

}  // namespace cbpfc::optimizer

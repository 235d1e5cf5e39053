// SPDX-License-Identifier: BSD-3-Clause

#include "effort.h"

#include <algorithm>

#include "../overloaded.h"

namespace cbpfc::optimizer {

const Effort& Efforts::of(ValueId value) {
  while (efforts_.size() <= value) {
    efforts_.push_back(compute(static_cast<ValueId>(efforts_.size())));
  }
  return efforts_[value];
}

Effort Efforts::compute(ValueId value) const {
  return std::visit(
      Overloaded{
          [](const Constant&) { return Effort{}; },
          [](const PacketLength&) { return Effort{}; },
          [](const ContextWord&) { return Effort{}; },
          [](const Phi&) { return Effort{.cells = 1}; },
          [&](const PacketLoad& v) {
            Effort effort = v.index ? efforts_[*v.index] : Effort{.parts = 0};
            effort.registers = std::max(
                effort.registers, v.index ? rules_.indexed_load_registers : rules_.load_registers);
            ++effort.parts;
            return effort;
          },
          [&](const Arithmetic& v) {
            const Effort& left = efforts_[v.left];
            const Effort& right = efforts_[v.right];
            const auto [less, more] = std::minmax(left.registers, right.registers);
            const bool is_constant = values_.known(v.right).has_value();
            return Effort{.registers = is_constant ? left.registers : std::max(more, less + 1),
                          .parts = 1 + left.parts + (is_constant ? 0 : right.parts),
                          .cells = left.cells + right.cells};
          },
      },
      values_[value]);
}

}  // namespace cbpfc::optimizer

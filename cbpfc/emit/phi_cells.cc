// SPDX-License-Identifier: BSD-3-Clause
//
// A cell needs its slot from where it is first set to where it is last read or set, in the order of emission, which
// every path follows; then the slot is free for another.
//
// Tested by: lift_test.cc.

#include <algorithm>
#include <optional>

#include "cbpfc/graph/graph.h"

namespace cbpfc::optimizer {
namespace {

using Cell = std::uint32_t;
using Cells = std::vector<Cell>;

/// The cells each value is computed from.
std::vector<Cells> cells_below(const Values& values) {
  std::vector<Cells> cells(values.size());
  for (ValueId value = 0; value < values.size(); ++value) {
    if (const auto* phi = std::get_if<Phi>(&values[value])) {
      cells[value] = {phi->number};
    }
    for (const ValueId operand : values.operands(value)) {
      cells[value].insert(cells[value].end(), cells[operand].begin(), cells[operand].end());
    }
  }
  return cells;
}

/// The cell a node sets.
std::optional<Cell> cell_set(const Values& values, const Node& node) {
  using Set = std::optional<Cell>;
  return std::visit(Overloaded{
                        [](const Switch&) { return Set(); },
                        [](const AnyBit&) { return Set(); },
                        [](const Compare&) { return Set(); },
                        [](const Fits&) { return Set(); },
                        [&](const SetPhi& n) { return Set(values.cell(n.phi)); },
                        [&](const Call& n) { return Set(values.cell(n.phi)); },
                        [](const Return&) { return Set(); },
                        [](const Forward&) { return Set(); },
                    },
                    node);
}

}  // namespace

CellSlots place_cells(const Graph& graph, const std::vector<NodeId>& order) {
  CellSlots slots(graph.values.phis());
  if (slots.empty()) {
    return slots;
  }
  const std::vector<Cells> cells = cells_below(graph.values);
  std::vector<std::size_t> last_use(slots.size(), 0);
  for (std::size_t position = 0; position < order.size(); ++position) {
    const Node& node = graph.nodes[order[position]];
    for_each_value(node, [&](ValueId value) {
      for (const Cell cell : cells[value]) {
        last_use[cell] = position;
      }
    });
    if (const auto cell = cell_set(graph.values, node)) {
      last_use[*cell] = position;
    }
  }
  std::vector<std::size_t> free_from;  // by slot: the position
  for (std::size_t position = 0; position < order.size(); ++position) {
    const auto cell = cell_set(graph.values, graph.nodes[order[position]]);
    if (!cell || slots[*cell]) {
      continue;
    }
    auto slot = std::ranges::find_if(free_from, [&](auto free) { return free <= position; });
    if (slot == free_from.end()) {
      slot = free_from.insert(slot, 0);
    }
    *slot = last_use[*cell];
    slots[*cell] = static_cast<std::uint16_t>(slot - free_from.begin());
  }
  return slots;
}

}  // namespace cbpfc::optimizer

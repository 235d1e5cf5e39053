// SPDX-License-Identifier: BSD-3-Clause
//
// Two cells may share a slot unless one is set while the other is still needed.  A cell that is set to another
// cell, which is not needed afterwards, gets that one's slot where it can.
//
// Tested by: lift_test.cc.

#include <algorithm>
#include <iterator>
#include <optional>

#include "cbpfc/graph/graph.h"

namespace cbpfc::optimizer {
namespace {

using Cell = std::uint32_t;
using Cells = std::vector<Cell>;  ///< sorted

Cells united(const Cells& left, const Cells& right) {
  Cells both;
  std::ranges::set_union(left, right, std::back_inserter(both));
  return both;
}

/// The cells each value is computed from.
std::vector<Cells> cells_below(const Values& values) {
  std::vector<Cells> cells(values.size());
  for (ValueId value = 0; value < values.size(); ++value) {
    if (const auto* phi = std::get_if<Phi>(&values[value])) {
      cells[value] = {phi->number};
    }
    for (const ValueId operand : values.operands(value)) {
      cells[value] = united(cells[value], cells[operand]);
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

/// The cell whose content is all that a node puts into another.
std::optional<Cell> cell_copied(const Values& values, const Node& node) {
  const auto* set = std::get_if<SetPhi>(&node);
  const auto* from = set != nullptr ? std::get_if<Phi>(&values[set->value]) : nullptr;
  return from != nullptr ? std::optional(from->number) : std::nullopt;
}

/// Which cells may not share a slot.
std::vector<Cells> find_conflicts(const Graph& graph, const std::vector<NodeId>& order) {
  const std::vector<Cells> cells = cells_below(graph.values);
  std::vector<Cells> conflicts(graph.values.phis());
  std::vector<Cells> needed(graph.nodes.size());  ///< before each node
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    const Node& node = graph.nodes[*id];
    Cells after;
    for_each_edge(node, [&](NodeId target) { after = united(after, needed[target]); });
    if (const auto cell = cell_set(graph.values, node)) {
      const auto copied = cell_copied(graph.values, node);
      std::erase(after, *cell);
      for (const Cell other : after) {
        if (copied != other) {
          conflicts[*cell].push_back(other);
          conflicts[other].push_back(*cell);
        }
      }
    }
    for (const ValueId value : values_of(node)) {
      after = united(after, cells[value]);
    }
    needed[*id] = std::move(after);
  }
  return conflicts;
}

}  // namespace

CellSlots place_cells(const Graph& graph, const std::vector<NodeId>& order) {
  CellSlots slots(graph.values.phis());
  if (slots.empty()) {
    return slots;
  }
  const std::vector<Cells> conflicts = find_conflicts(graph, order);
  for (const NodeId id : order) {
    const auto cell = cell_set(graph.values, graph.nodes[id]);
    if (!cell || slots[*cell]) {
      continue;
    }
    const auto is_taken = [&](std::optional<std::uint16_t> slot) {
      return std::ranges::any_of(conflicts[*cell],
                                 [&](Cell other) { return slots[other] == slot; });
    };
    const auto copied = cell_copied(graph.values, graph.nodes[id]);
    std::optional<std::uint16_t> slot = copied ? slots[*copied] : std::nullopt;
    if (!slot || is_taken(slot)) {
      for (slot = std::uint16_t{0}; is_taken(slot); ++*slot) {
      }
    }
    slots[*cell] = slot;
  }
  return slots;
}

}  // namespace cbpfc::optimizer

// SPDX-License-Identifier: BSD-3-Clause

#include "phi_cells.h"

#include <algorithm>
#include <array>
#include <set>

namespace cbpfc::optimizer {
namespace {

struct Life {
  std::size_t begin = ~std::size_t{0};
  std::size_t end = 0;
};

/// The cells each value is computed from.  Few programs have cells, and those have few.
std::vector<std::set<std::uint32_t>> cells_below(const Values& values) {
  std::vector<std::set<std::uint32_t>> cells(values.size());
  for (ValueId value = 0; value < values.size(); ++value) {
    if (const auto* phi = std::get_if<Phi>(&values[value])) {
      cells[value].insert(phi->number);
    }
    for (const ValueId operand : values.operands(value)) {
      cells[value].insert(cells[operand].begin(), cells[operand].end());
    }
  }
  return cells;
}

std::vector<Life> find_lives(const Graph& graph, const std::vector<NodeId>& order) {
  const auto cells = cells_below(graph.values);
  std::vector<Life> lives(graph.values.phis());
  const auto live_at = [&](std::uint32_t cell, std::size_t position) {
    lives[cell].begin = std::min(lives[cell].begin, position);
    lives[cell].end = std::max(lives[cell].end, position);
  };
  for (std::size_t position = 0; position < order.size(); ++position) {
    const Node& node = graph.nodes[order[position]];
    for (const ValueId value : values_of(node)) {
      for (const std::uint32_t cell : cells[value]) {
        live_at(cell, position);
      }
    }
    if (const auto* set = std::get_if<SetPhi>(&node)) {
      live_at(std::get<Phi>(graph.values[set->phi]).number, position);
    }
  }
  return lives;
}

}  // namespace

std::optional<std::vector<std::uint8_t>> place_phis(const Graph& graph,
                                                    const std::vector<NodeId>& order) {
  std::vector<std::uint8_t> slots(graph.values.phis(), 0);
  if (slots.empty()) {
    return slots;
  }
  const std::vector<Life> lives = find_lives(graph, order);
  std::vector<std::uint32_t> by_begin;
  for (std::uint32_t cell = 0; cell < lives.size(); ++cell) {
    if (lives[cell].begin <= lives[cell].end) {
      by_begin.push_back(cell);
    }
  }
  std::ranges::sort(by_begin, {}, [&](std::uint32_t cell) { return lives[cell].begin; });
  std::array<std::optional<std::size_t>, kScratchSlots> busy_until = {};
  for (const std::uint32_t cell : by_begin) {
    const auto free = std::ranges::find_if(
        busy_until, [&](const auto& until) { return !until || *until < lives[cell].begin; });
    if (free == busy_until.end()) {
      return std::nullopt;
    }
    *free = lives[cell].end;
    slots[cell] = static_cast<std::uint8_t>(free - busy_until.begin());
  }
  return slots;
}

}  // namespace cbpfc::optimizer

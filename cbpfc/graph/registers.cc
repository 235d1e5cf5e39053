// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/graph/registers.h"

#include <algorithm>

namespace cbpfc::optimizer {

MachineState MachineState::meet(const MachineState& left, const MachineState& right) {
  MachineState both;
  both.bytes_proven = std::min(left.bytes_proven, right.bytes_proven);
  for (std::size_t i = 0; i < both.held.size(); ++i) {
    const Held& here = left.held[i];
    const Held& there = right.held[i];
    if (here.is_same(there)) {
      both.held[i] = here;
      both.held[i].begin = std::max(here.begin, there.begin);
      both.held[i].end = std::min(here.end, there.end);
      both.held[i].is_pinned_down = here.is_pinned_down && there.is_pinned_down;
    }
  }
  return both;
}

Uses::Uses(const Graph& graph, const std::vector<NodeId>& order)
    : graph_(graph), values_(graph.values.size()), pointers_(graph.values.size()) {
  for (std::size_t position = 0; position < order.size(); ++position) {
    const Node& node = graph.nodes[order[position]];
    if (const auto* fits = std::get_if<Fits>(&node); fits != nullptr && !fits->index) {
      guards_.push_back(position);
    }
    const bool is_index = std::holds_alternative<Fits>(node);
    for_each_value(node, [&](ValueId value) {
      if (is_index) {
        want_pointer(value, position);
      } else {
        want(value, position);
      }
    });
  }
}

/// A value's parts are wanted where it is computed, which is where it is wanted first.
void Uses::want(ValueId first, std::size_t position) {
  std::vector<ValueId> wanted = {first};
  while (!wanted.empty()) {
    const ValueId value = wanted.back();
    wanted.pop_back();
    const bool is_new = values_[value].empty();
    if (is_new || values_[value].back() != position) {
      values_[value].push_back(position);
    }
    if (const auto* load = std::get_if<PacketLoad>(&graph_.values[value])) {
      // Not only the first time: on another path the value may have to be loaded again.
      if (load->index) {
        if (pointers_[*load->index].empty()) {
          wanted.push_back(*load->index);
        }
        pointers_[*load->index].push_back(position);
      }
      continue;
    }
    if (!is_new) {
      continue;
    }
    for_each_operand(graph_.values[value], [&](ValueId operand) { wanted.push_back(operand); });
  }
}

void Uses::want_pointer(ValueId index, std::size_t position) {
  if (pointers_[index].empty()) {
    want(index, position);
  }
  pointers_[index].push_back(position);
}

std::size_t Uses::next_in(const std::vector<std::size_t>& positions, std::size_t from) {
  const auto place = std::ranges::lower_bound(positions, from);
  return place == positions.end() ? kNever : *place;
}

std::size_t Uses::next(const Held& held, std::size_t position) const {
  switch (held.kind) {
    case Held::Kind::Nothing: return kNever;
    case Held::Kind::Number: return next_in(values_[held.value], position);
    case Held::Kind::Pointer: return next_in(pointers_[held.value], position);
    case Held::Kind::Start: return next_in(guards_, position);
  }
  return kNever;
}

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

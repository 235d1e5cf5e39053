// SPDX-License-Identifier: BSD-3-Clause
//
// Compares neighbouring fields at once.
//
//     n0: p32[22]  20010db8 -> n1  else -> F          n0: p64[22] == 20010db800000000  yes -> n2  no -> F
//     n1: p32[26]  0        -> n2  else -> F     =>   n2: ...
//
// Two fields side by side, each compared with one constant, that fail to the same node, are one field of
// twice the size.  Both must be wanted for nothing else, or they are loaded anyway.
//
// Cost: O(nodes), repeated while something joins (at most three times: 8 to 64 bits).
// Tested by: passes_test.cc.

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "graph_passes.h"

namespace cbpfc::optimizer {
namespace {

/// "These bytes are this number": the one form both Switch and WideEqual take.
struct FieldTest {
  PacketLoad load;
  std::uint64_t number;
  NodeId if_equal;
  NodeId otherwise;
};

std::optional<FieldTest> as_field_test(const Graph& graph, NodeId id) {
  const auto* node = std::get_if<Switch>(&graph.nodes[id]);
  if (node == nullptr || node->cases.size() != 1 || node->cases[0].low != node->cases[0].high) {
    return std::nullopt;
  }
  const auto* load = std::get_if<PacketLoad>(&graph.values[node->value]);
  if (load == nullptr) {
    return std::nullopt;
  }
  return FieldTest{.load = *load,
                   .number = node->cases[0].low,
                   .if_equal = node->cases[0].target,
                   .otherwise = node->otherwise};
}

class Joiner {
 public:
  explicit Joiner(Graph& graph) : graph_(graph) {}

  /// One round over the graph; whether something was joined.
  bool run() {
    const std::vector<NodeId> order = topological_order(graph_);
    predecessors_ = count_predecessors(graph_, order);
    count_uses(order);
    bool joined = false;
    for (const NodeId id : order) {
      joined = join(id) || joined;
    }
    return joined;
  }

 private:
  void count_uses(const std::vector<NodeId>& order) {
    uses_.assign(graph_.values.size(), 0);
    for (const NodeId id : order) {
      for (const ValueId value : values_of(graph_.nodes[id])) {
        ++uses_[value];
      }
    }
    const std::vector<bool> lives = living_values(graph_, order);
    for (ValueId value = 0; value < graph_.values.size(); ++value) {
      if (lives[value]) {
        for (const ValueId operand : graph_.values.operands(value)) {
          ++uses_[operand];
        }
      }
    }
  }

  bool is_used_once(const PacketLoad& load) { return uses_[graph_.values.add(load)] == 1; }

  bool join(NodeId id) {
    const auto first = as_field_test(graph_, id);
    if (!first || predecessors_[first->if_equal] != 1) {
      return false;
    }
    const auto second = as_field_test(graph_, first->if_equal);
    if (!second || second->otherwise != first->otherwise || second->load.size != first->load.size ||
        second->load.index != first->load.index || !is_used_once(first->load) ||
        !is_used_once(second->load)) {
      return false;
    }
    const auto size = static_cast<std::uint32_t>(first->load.size);
    const bool in_order = second->load.offset == first->load.offset + size;
    if (!in_order && first->load.offset != second->load.offset + size) {
      return false;
    }
    const FieldTest& left = in_order ? *first : *second;
    const FieldTest& right = in_order ? *second : *first;
    const std::uint64_t number = left.number << (8 * size) | right.number;
    graph_.nodes[id] = joined_test(left.load, number, second->if_equal, first->otherwise);
    return true;
  }

  Node joined_test(const PacketLoad& left, std::uint64_t number, NodeId if_equal,
                   NodeId otherwise) {
    if (left.size == Size::Word) {
      return WideEqual{.index = left.index,
                       .offset = left.offset,
                       .bytes = number,
                       .if_equal = if_equal,
                       .otherwise = otherwise};
    }
    const ValueId value =
        graph_.values.add(PacketLoad{.size = left.size == Size::Byte ? Size::Half : Size::Word,
                                     .index = left.index,
                                     .offset = left.offset});
    uses_.resize(graph_.values.size(), 1);
    const auto k = static_cast<std::uint32_t>(number);
    return Switch{.value = value,
                  .cases = {{.low = k, .high = k, .target = if_equal}},
                  .otherwise = otherwise};
  }

  Graph& graph_;
  std::vector<std::uint32_t> predecessors_;
  std::vector<std::uint32_t> uses_;
};

}  // namespace

void widen_compares(Graph& graph) {
  while (Joiner(graph).run()) {
  }
}

}  // namespace cbpfc::optimizer

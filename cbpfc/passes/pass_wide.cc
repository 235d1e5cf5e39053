// SPDX-License-Identifier: BSD-3-Clause
//
// Compares fields that lie close together at once.
//
//     n0: p8[23]  6 -> n1   else -> F                 n0: (p32[20] & 1fff00ff)  6 -> n2   else -> F
//     n1: p16[20] & 1fff  yes -> F  no -> n2     =>   n2: ...
//
// Two tests of the form "these bits of these bytes are that", one behind the other, that fail to the same node
// are one such test of the bytes of both, if those are four bytes at most.
//
// Cost: O(nodes) a round, few rounds.
// Tested by: cbpfc/tests/golden/passes/wide.txt.

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>
#include <vector>

#include "cbpfc/passes/graph_passes.h"

namespace cbpfc::optimizer {
namespace {

/// The bits `mask` of the bytes at index + offset are `number` (big-endian).
struct FieldTest {
  PacketLoad load;
  std::uint32_t mask;
  std::uint32_t number;
  NodeId if_equal;
  NodeId otherwise;

  std::uint32_t size() const { return static_cast<std::uint32_t>(load.size); }
  std::int64_t begin() const { return static_cast<std::int32_t>(load.offset); }
  std::int64_t end() const { return begin() + size(); }
};

/// Takes `value` apart into a load and a mask.
std::optional<std::pair<PacketLoad, std::uint32_t>> masked_load(const Values& values,
                                                                ValueId value) {
  std::uint32_t mask = bits_of(values.max(value));
  if (const auto outer = values.with_constant(value); outer && outer->op == AluOp::And) {
    mask = outer->k;
    value = outer->left;
  }
  const auto* load = std::get_if<PacketLoad>(&values[value]);
  return load != nullptr ? std::optional(std::pair(*load, mask)) : std::nullopt;
}

/// The field tests that a node is: a test of one bit is two, of either number.
std::vector<FieldTest> field_tests(const Graph& graph, NodeId id) {
  if (const auto* node = std::get_if<Switch>(&graph.nodes[id])) {
    const bool is_single = node->cases.size() == 1 && node->cases[0].low == node->cases[0].high;
    const auto load = is_single ? masked_load(graph.values, node->value) : std::nullopt;
    if (load && (node->cases[0].low & ~load->second) == 0) {
      return {{.load = load->first,
               .mask = load->second,
               .number = node->cases[0].low,
               .if_equal = node->cases[0].target,
               .otherwise = node->otherwise}};
    }
  } else if (const auto* bits = std::get_if<AnyBit>(&graph.nodes[id])) {
    if (const auto load = masked_load(graph.values, bits->value)) {
      const std::uint32_t mask = load->second & bits->mask;
      const FieldTest are_clear{.load = load->first,
                                .mask = mask,
                                .number = 0,
                                .if_equal = bits->if_clear,
                                .otherwise = bits->if_set};
      if (!std::has_single_bit(mask)) {
        return {are_clear};
      }
      return {are_clear,
              {.load = load->first,
               .mask = mask,
               .number = mask,
               .if_equal = bits->if_set,
               .otherwise = bits->if_clear}};
    }
  }
  return {};
}

class Joiner {
 public:
  explicit Joiner(Graph& graph) : graph_(graph), order_(topological_order(graph)) {}

  /// One round over the graph; whether something was joined.
  bool run() {
    predecessors_ = count_predecessors(graph_, order_);
    bool joined = false;
    for (const NodeId id : order_) {
      joined = join(id) || joined;
    }
    return joined;
  }

 private:
  /// Joins node `id` with the one behind it, if they can be.
  bool join(NodeId id) {
    for (const FieldTest& first : field_tests(graph_, id)) {
      if (predecessors_[first.if_equal] != 1) {
        continue;
      }
      for (const FieldTest& second : field_tests(graph_, first.if_equal)) {
        if (join(id, first, second)) {
          return true;
        }
      }
    }
    return false;
  }

  bool join(NodeId id, const FieldTest& first, const FieldTest& second) {
    if (second.otherwise != first.otherwise || second.load.index != first.load.index) {
      return false;
    }
    const FieldTest& left = first.begin() <= second.begin() ? first : second;
    const FieldTest& right = first.begin() <= second.begin() ? second : first;
    auto node = joined(left, right, second.if_equal, first.otherwise);
    if (!node) {
      return false;
    }
    graph_.nodes[id] = *std::move(node);
    return true;
  }

  /// One test for both; nullopt when one load does not suffice.  `left` begins first.
  std::optional<Node> joined(const FieldTest& left, const FieldTest& right, NodeId if_equal,
                             NodeId otherwise) {
    const std::int64_t end = std::max(left.end(), right.end());
    const bool is_half = end - left.begin() == 2;
    // Four bytes that end where both do have been shown to be there; before the first byte nothing may lie.
    const std::int64_t begin = is_half ? left.begin() : end - 4;
    if (begin > left.begin() || begin < 0 || (left.load.index && begin != left.begin())) {
      return std::nullopt;
    }
    const auto place = [&](const FieldTest& test, std::uint32_t bits) {
      return bits << (8 * (end - test.end()));
    };
    const std::uint32_t mask = place(left, left.mask) | place(right, right.mask);
    const std::uint32_t number = place(left, left.number) | place(right, right.number);
    if ((place(left, left.mask) & place(right, right.mask) &
         (place(left, left.number) ^ place(right, right.number))) != 0) {
      return std::nullopt;  // they contradict each other, which is not this pass's business
    }
    Values& values = graph_.values;
    const ValueId load = values.add(PacketLoad{.size = is_half ? Size::Half : Size::Word,
                                               .index = left.load.index,
                                               .offset = static_cast<std::uint32_t>(begin)});
    const ValueId value = values.arithmetic(AluOp::And, load, values.constant(mask));
    return Switch{.value = value,
                  .cases = {{.low = number, .high = number, .target = if_equal}},
                  .otherwise = otherwise};
  }

  Graph& graph_;
  std::vector<NodeId> order_;
  std::vector<std::uint32_t> predecessors_;
};

}  // namespace

void widen_compares(Graph& graph) {
  while (Joiner(graph).run()) {
  }
}

}  // namespace cbpfc::optimizer

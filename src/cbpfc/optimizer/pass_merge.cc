// SPDX-License-Identifier: BSD-3-Clause
//
// Makes equal nodes one.
//
// From the returns up: two nodes that ask the same and lead to the same nodes are one; a question whose arms
// are one node is none; neighbouring cases that lead to the same node are one interval.
//
//     ARP and RARP ask the same of the same bytes: libpcap writes both out, one is left.
//
// Cost: O(edges), by hashing.
// Tested by: tests/golden/passes/merge.txt.

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "graph_passes.h"

namespace cbpfc::optimizer {
namespace {

/// A node as numbers: equal nodes, equal keys.
using Key = std::vector<std::uint64_t>;

struct KeyHash {
  std::size_t operator()(const Key& key) const {
    std::size_t hash = key.size();
    for (const std::uint64_t part : key) {
      hash = (hash ^ part) * 0x9e3779b97f4a7c15ULL;
      hash ^= hash >> 31;
    }
    return hash;
  }
};

std::uint64_t key_of(std::optional<ValueId> index) {
  return index ? std::uint64_t{*index} + 1 : 0;
}

Key key_of(const Node& node) {
  const std::uint64_t kind = node.index();
  return std::visit(
      Overloaded{
          [&](const Switch& n) {
            Key key = {kind, n.value, n.otherwise};
            for (const Case& one : n.cases) {
              key.insert(key.end(), {one.low, one.high, one.target});
            }
            return key;
          },
          [&](const AnyBit& n) { return Key{kind, n.value, n.mask, n.if_set, n.if_clear}; },
          [&](const Compare& n) {
            return Key{kind,      static_cast<std::uint64_t>(n.condition),
                       n.left,    n.right,
                       n.if_true, n.if_false};
          },
          [&](const Fits& n) {
            return Key{kind,
                       key_of(n.index),
                       static_cast<std::uint64_t>(n.begin),
                       static_cast<std::uint64_t>(n.end),
                       n.if_inside,
                       n.if_outside};
          },
          [&](const WideEqual& n) {
            return Key{kind, key_of(n.index), n.offset, n.bytes, n.if_equal, n.otherwise};
          },
          [&](const SetPhi& n) { return Key{kind, n.phi, n.value, n.next}; },
          [&](const Call& n) {
            return Key{kind, n.phi, static_cast<std::uint32_t>(n.helper), n.next};
          },
          [&](const Return& n) { return Key{kind, n.value}; },
          [&](const Forward& n) { return Key{kind, n.next}; },
      },
      node);
}

/// Drops cases that lead where everything else does, and joins neighbours.
void simplify_cases(Switch& node, std::uint32_t max) {
  std::vector<Case> kept;
  for (const Case& one : node.cases) {
    if (one.target == node.otherwise) {
      continue;
    }
    if (!kept.empty() && kept.back().target == one.target && kept.back().high + 1 == one.low) {
      kept.back().high = one.high;
    } else {
      kept.push_back(one);
    }
  }
  node.cases = std::move(kept);
  // When the cases cover all there is, the last stands for the rest.
  std::uint64_t next = 0;
  for (const Case& one : node.cases) {
    if (one.low != next) {
      return;
    }
    next = std::uint64_t{one.high} + 1;
  }
  if (next > max && !node.cases.empty()) {
    node.otherwise = node.cases.back().target;
    std::erase_if(node.cases, [&](const Case& one) { return one.target == node.otherwise; });
  }
}

/// The one node a question leads to, if it is only one.
std::optional<NodeId> only_target(const Node& node) {
  std::optional<NodeId> only;
  bool is_one = is_question(node);
  for_each_edge(node, [&](NodeId target) {
    is_one = is_one && (!only || *only == target);
    only = target;
  });
  return is_one ? only : std::nullopt;
}

}  // namespace

void merge_equal(Graph& graph) {
  const std::vector<NodeId> order = topological_order(graph);
  std::vector<NodeId> merged(graph.nodes.size(), 0);
  std::unordered_map<Key, NodeId, KeyHash> known;
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    Node& node = graph.nodes[*id];
    for_each_edge(node, [&](NodeId& target) { target = merged[target]; });
    if (auto* many = std::get_if<Switch>(&node)) {
      simplify_cases(*many, graph.values.max(many->value));
    }
    const auto only = only_target(node);
    merged[*id] = only ? *only : known.try_emplace(key_of(node), *id).first->second;
  }
  graph.entry = merged[graph.entry];
  remove_dead_nodes(graph);
}

}  // namespace cbpfc::optimizer

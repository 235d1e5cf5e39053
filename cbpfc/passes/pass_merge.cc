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
// Tested by: cbpfc/tests/golden/passes/merge.txt.

#include <algorithm>
#include <vector>

#include "cbpfc/passes/graph_passes.h"

namespace cbpfc::optimizer {
namespace {

std::uint64_t hash_of(const Node& node) {
  std::uint64_t hash = node.index();
  const auto add = [&hash](std::uint64_t part) { hash = mix(hash, part); };
  for_each_value(node, add);
  for_each_edge(node, add);
  if (const auto* many = std::get_if<Switch>(&node)) {
    for (const Case& one : many->cases) {
      add(one.low);
      add(one.high);
    }
  } else if (const auto* fits = std::get_if<Fits>(&node)) {
    add(static_cast<std::uint64_t>(fits->end));
  }
  return hash;
}

/// Drops cases that lead where everything else does, and joins neighbours.
void simplify_cases(Switch& node, std::uint32_t max) {
  std::erase_if(node.cases, [&](const Case& one) { return one.target == node.otherwise; });
  std::size_t kept = 0;
  for (std::size_t i = 1; i < node.cases.size(); ++i) {
    Case& last = node.cases[kept];
    if (last.target == node.cases[i].target && last.high + 1 == node.cases[i].low) {
      last.high = node.cases[i].high;
    } else {
      node.cases[++kept] = node.cases[i];
    }
  }
  node.cases.resize(std::min(node.cases.size(), kept + 1));
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

}  // namespace

void merge_equal(Graph& graph) {
  const std::vector<NodeId> order = topological_order(graph);
  std::vector<NodeId> merged(graph.nodes.size(), 0);
  NumberTable known;
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    Node& node = graph.nodes[*id];
    for_each_edge(node, [&](NodeId& target) { target = merged[target]; });
    if (auto* many = std::get_if<Switch>(&node)) {
      simplify_cases(*many, graph.values.max(many->value));
    }
    const auto only = only_target(node);
    const auto is_equal = [&](NodeId other) { return graph.nodes[other] == node; };
    merged[*id] = only ? *only : known.find_or_add(hash_of(node), *id, is_equal);
  }
  graph.entry = merged[graph.entry];
  remove_dead_nodes(graph);
}

}  // namespace cbpfc::optimizer

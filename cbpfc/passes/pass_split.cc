// SPDX-License-Identifier: BSD-3-Clause
//
// A second graph for packets that have all a filter ever looks at.
//
//     n0: has p[..38] ...                n0: has p[..54]  yes -> copy of the graph without guards
//     ... many guards in between     =>                   no  -> the graph as it is
//
// Where guards stand between the alternatives of a list, as between the source and destination addresses of
// IPv6 hosts, nothing can be gathered: a short packet may match by what it has.  Packets on a wire are not that
// short; with one guard up front nearly all take the copy, in which everything gathers.  The graph as it is
// stays for the others, so this is worth its instructions only where the way through the copy is much shorter.
//
// Tested by: cbpfc/tests/golden/passes/split.txt.

#include <algorithm>

#include "cbpfc/passes/graph_passes.h"

namespace cbpfc::optimizer {

std::optional<Graph> split_short_packets(const Graph& graph, const PacketRules& rules) {
  constexpr int kLeastGuards = 3;
  std::int64_t furthest = 0;
  int guards = 0;
  for (const NodeId id : topological_order(graph)) {
    const auto* fits = std::get_if<Fits>(&graph.nodes[id]);
    if (fits != nullptr && !fits->index) {
      furthest = std::max(furthest, fits->end);
      ++guards;
    }
  }
  if (guards < kLeastGuards) {
    return std::nullopt;
  }
  Graph split = graph;
  const auto copies_start = static_cast<NodeId>(graph.nodes.size());
  for (const Node& node : graph.nodes) {
    Node copy = node;
    for_each_edge(copy, [&](NodeId& target) { target += copies_start; });
    split.add(std::move(copy));
  }
  split.entry =
      ask_fits(split, rules, std::nullopt, 0, furthest, graph.entry + copies_start, graph.entry);
  return split;
}

std::uint32_t longest_way_of_long_packets(const Graph& graph) {
  const std::vector<NodeId> order = topological_order(graph);
  NodeId start = graph.entry;
  while (const auto* fits = std::get_if<Fits>(&graph.nodes[start])) {
    start = fits->if_inside;
  }
  return longest_ways(graph, order)[start];
}

}  // namespace cbpfc::optimizer

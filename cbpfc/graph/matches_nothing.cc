// SPDX-License-Identifier: BSD-3-Clause
//
// Whether a filter can match at all.
//
//     ldh [12]; jeq #0x800, ...; jeq #0x86dd, match      no packet is IPv4 and IPv6
//
// Looks for one way through the decision graph that ends in a match and on which no answer contradicts another.  Most
// filters have one in the first ways that are tried, so this costs a fraction of compiling the filter.
//
// Tested by: pcap_filter_test.cc.

#include "cbpfc/graph/matches_nothing.h"

#include <algorithm>
#include <vector>

#include "cbpfc/classic/cfg.h"
#include "cbpfc/graph/facts.h"
#include "cbpfc/graph/lift.h"

namespace cbpfc::optimizer {
namespace {

/// Questions that are asked before a match is taken for possible: some 20 ms.
constexpr int kMostQuestions = 20'000;

struct Way {
  NodeId at;
  Facts facts;
};

/// The ways on from `way`: one where the facts decide, otherwise the first edge last, which is taken first.
void go_on(const Graph& graph, Way way, std::vector<Way>& ways) {
  const Node& node = graph.nodes[way.at];
  if (const auto next = way.facts.decide(graph.values, node)) {
    ways.push_back({.at = *next, .facts = std::move(way.facts)});
    return;
  }
  const std::size_t before = ways.size();
  std::size_t slot = 0;
  for_each_edge(node, [&](NodeId target) {
    ways.push_back({.at = target, .facts = facts_on_edge(graph.values, node, slot++, way.facts)});
  });
  std::reverse(ways.begin() + static_cast<std::ptrdiff_t>(before), ways.end());
}

}  // namespace

bool matches_nothing(const Filter& filter) {
  const PacketRules any_packet = {.max_packet_offset = kMostU32, .length_is_bytes = false};
  if (filter.first_backward_jump()) {  // more trips may match than are written out
    return false;
  }
  const auto cfg = build_cfg(filter, any_packet.max_packet_offset);
  if (!cfg) {  // it asks for what is not in the packet
    return false;
  }
  const Graph graph = lift_filter(*cfg, any_packet);
  std::vector<Way> ways = {{.at = graph.entry, .facts = Facts(any_packet.max_packet_offset)}};
  for (int questions = 0; !ways.empty() && questions < kMostQuestions; ++questions) {
    Way way = std::move(ways.back());
    ways.pop_back();
    if (!std::holds_alternative<Return>(graph.nodes[way.at])) {
      go_on(graph, std::move(way), ways);
    } else if (graph.returned_constant(way.at) != 0) {
      return false;
    }
  }
  return ways.empty();
}

}  // namespace cbpfc::optimizer

// SPDX-License-Identifier: BSD-3-Clause
//
// Threads edges past questions that have been answered.
//
//     n0: p16[12]  0x800 -> n1  else -> n2          n0: p16[12]  0x800 -> n1  else -> n4
//     n1: p32[26]  A     -> T   else -> n2          n1: p32[26]  A     -> T   else -> n3
//     n2: p16[12]  0x800 -> n3  else -> n4    =>
//     n3: p32[26]  B     -> T   else -> n4          n3: p32[26]  B     -> T   else -> n4
//
// One sweep down: facts (facts.h) flow along edges; where edges meet, what holds on all of them.  Each edge
// goes on to the first question its own facts do not answer.  Nothing is copied, so the graph never grows;
// this is what libpcap's optimiser does with its dominators, in one pass instead of a loop.
//
// Cost: O(edges) and the length of what is skipped.
// Does not: copy a question so that each copy knows more; version_guards does, where it pays.
// Tested by: graph_passes_test.cc.

#include <optional>
#include <vector>

#include "facts.h"
#include "graph_passes.h"

namespace cbpfc::optimizer {
namespace {

class Threader {
 public:
  Threader(Graph& graph, const PacketRules& rules) : graph_(graph), rules_(rules) {}

  void run() {
    const std::vector<NodeId> order = topological_order(graph_);
    known_.resize(graph_.nodes.size());
    known_[graph_.entry] = Facts(rules_.max_packet_offset);
    for (const NodeId id : order) {
      if (known_[id]) {  // else every edge here has been led past
        const Facts facts = *std::move(known_[id]);
        known_[id].reset();
        drop_impossible_cases(graph_.nodes[id], facts);
        drop_needless_cases(graph_.nodes[id], facts);
        lead_edges(graph_.nodes[id], facts);
      }
    }
  }

 private:
  static void drop_impossible_cases(Node& node, const Facts& facts) {
    if (auto* many = std::get_if<Switch>(&node)) {
      std::erase_if(many->cases, [&](const Case& one) {
        return !facts.may_be_in(many->value, one.low, one.high);
      });
    }
  }

  /// Drops cases that lead where the next question of the same value would lead anyway.
  void drop_needless_cases(Node& node, const Facts& facts) {
    auto* many = std::get_if<Switch>(&node);
    const auto* next =
        many != nullptr ? std::get_if<Switch>(&graph_.nodes[many->otherwise]) : nullptr;
    if (next == nullptr || next->value != many->value) {
      return;
    }
    const Node before = node;
    std::size_t slot = 0;
    std::erase_if(many->cases, [&](const Case& one) {
      const Facts after = facts_on_edge(graph_.values, before, slot++, facts);
      const auto there = after.decide(graph_.values, graph_.nodes[many->otherwise]);
      return there && lead(*there, after) == lead(one.target, after);
    });
  }

  /// The first question from `target` on that the facts do not answer.
  NodeId lead(NodeId target, const Facts& facts) const {
    while (const auto next = facts.decide(graph_.values, graph_.nodes[target])) {
      target = *next;
    }
    return target;
  }

  void lead_edges(Node& node, const Facts& facts) {
    std::size_t slot = 0;
    for_each_edge(node, [&](NodeId& target) {
      Facts after = facts_on_edge(graph_.values, node, slot++, facts);
      target = lead(target, after);
      known_[target] = known_[target] ? Facts::meet(*known_[target], after) : std::move(after);
    });
  }

  Graph& graph_;
  const PacketRules& rules_;
  std::vector<std::optional<Facts>> known_;
};

}  // namespace

void thread_edges(Graph& graph, const PacketRules& rules) {
  Threader(graph, rules).run();
}

}  // namespace cbpfc::optimizer

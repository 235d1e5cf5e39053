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
// In a list of pairs, "a and b or c and d or ...", each edge behind a first half skips the rest of the list: the last
// long ways are kept, and an edge that comes onto one and knows as much, but for some values, takes its end at once if
// no question on the rest of it tells these apart.
//
// Cost: O(edges) and the length of what is skipped, but for such ways.
// Does not: copy a question so that each copy knows more.
// Tested by: cbpfc/tests/golden/passes/thread.txt.

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <vector>

#include "cbpfc/graph/facts.h"
#include "cbpfc/passes/graph_passes.h"

namespace cbpfc::optimizer {
namespace {

/// A list has one for each protocol that it is about.
constexpr std::size_t kMostLongWays = 8;

/// A long way past answered questions, for edges that come onto it.
class LongWay {
 public:
  void record(const Graph& graph, const Facts& facts, const std::vector<NodeId>& nodes,
              NodeId end) {
    for (const NodeId id : nodes_) {
      places_[id] = kNowhere;
    }
    nodes_ = nodes;
    end_ = end;
    facts_ = facts;
    asked_.clear();
    places_.resize(graph.nodes.size(), kNowhere);
    for (std::uint32_t place = 0; place < nodes.size(); ++place) {
      places_[nodes[place]] = place;
      add_questions(graph.nodes[nodes[place]], place,
                    place + 1 < nodes.size() ? nodes[place + 1] : end);
    }
  }

  /// The way's end, if `facts` lead from `start` to it as well.
  std::optional<NodeId> follow(NodeId start, const Facts& facts) const {
    const std::uint32_t place = start < places_.size() ? places_[start] : kNowhere;
    const auto less = place == kNowhere ? std::nullopt : facts.values_known_less(*facts_);
    if (!less) {
      return std::nullopt;
    }
    const auto from = std::ranges::lower_bound(asked_, place, {}, &Asked::place);
    for (const ValueId value : *less) {
      const auto [low, high] = facts.bounds(value);
      const auto may_answer = [value, low, high](const Asked& one) {
        return one.value == value && one.low <= high && low <= one.high;
      };
      if (std::any_of(from, asked_.end(), may_answer)) {
        return std::nullopt;
      }
    }
    return end_;
  }

 private:
  static constexpr std::uint32_t kNowhere = kMostU32;

  /// A value that is outside of [low, high] takes the way on here.
  struct Asked {
    std::uint32_t place;
    ValueId value;
    std::uint32_t low;
    std::uint32_t high;
  };

  void add_questions(const Node& node, std::uint32_t place, NodeId next) {
    const auto add = [&](ValueId value, std::uint32_t low, std::uint32_t high) {
      asked_.push_back({.place = place, .value = value, .low = low, .high = high});
    };
    if (const auto* many = std::get_if<Switch>(&node); many != nullptr && many->otherwise == next) {
      for (const Case& one : many->cases) {
        add(many->value, one.low, one.high);
      }
      return;
    }
    for_each_value(node, [&](ValueId value) { add(value, 0, kMostU32); });
  }

  std::vector<NodeId> nodes_;
  std::vector<std::uint32_t> places_;  ///< by node
  std::vector<Asked> asked_;           ///< in the order of the way
  std::optional<Facts> facts_;
  NodeId end_ = 0;
};

class Threader {
 public:
  Threader(Graph& graph, const PacketRules& rules) : graph_(graph), rules_(rules) {}

  void run() {
    const std::vector<NodeId> order = topological_order(graph_);
    known_.resize(graph_.nodes.size());
    known_[graph_.entry] = Facts(rules_.max_packet_offset);
    for (const NodeId id : order) {
      if (known_[id]) {  // else every edge here has been led past
        Facts facts = *std::move(known_[id]);
        known_[id].reset();
        drop_impossible_cases(graph_.nodes[id], facts);
        lead_edges(graph_.nodes[id], std::move(facts));
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

  /// The first question from `target` on that the facts do not answer.
  NodeId lead(NodeId target, const Facts& facts) {
    constexpr std::size_t kLong = 64;
    passed_.clear();
    for (;;) {
      if (passed_.size() <= kLong && std::has_single_bit(passed_.size() + 1)) {
        target = follow_long_way(target, facts);
      }
      const auto next = facts.decide(graph_.values, graph_.nodes[target]);
      if (!next) {
        break;
      }
      passed_.push_back(target);
      target = *next;
    }
    if (passed_.size() > kLong) {
      long_ways_[recorded_++ % long_ways_.size()].record(graph_, facts, passed_, target);
    }
    return target;
  }

  /// Where one that has been recorded ends, if it comes onto it; `target` if not.
  NodeId follow_long_way(NodeId target, const Facts& facts) {
    for (const LongWay& way : long_ways_) {
      if (const auto end = way.follow(target, facts); end && *end != target) {
        passed_.clear();  // a way that is recorded has no gaps
        return *end;
      }
    }
    return target;
  }

  void lead_edges(Node& node, Facts facts) {
    std::size_t edges = 0;
    for_each_edge(node, [&](NodeId) { ++edges; });
    std::size_t slot = 0;
    for_each_edge(node, [&](NodeId& target) {
      const bool is_last = slot + 1 == edges;
      Facts after = facts_on_edge(graph_.values, node, slot++, is_last ? std::move(facts) : facts);
      target = lead(target, after);
      std::optional<Facts>& known = known_[target];
      known = known ? Facts::meet(*std::move(known), after) : std::move(after);
    });
  }

  Graph& graph_;
  const PacketRules& rules_;
  std::vector<std::optional<Facts>> known_;
  std::array<LongWay, kMostLongWays> long_ways_;
  std::size_t recorded_ = 0;
  std::vector<NodeId> passed_;
};

}  // namespace

void thread_edges(Graph& graph, const PacketRules& rules) {
  Threader(graph, rules).run();
}

}  // namespace cbpfc::optimizer

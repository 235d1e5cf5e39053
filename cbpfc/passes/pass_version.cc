// SPDX-License-Identifier: BSD-3-Clause
//
// One guard in place of several, with a copy for the packets that end in between.
//
//     n0: has p[x + 14..16]  no -> F            n0: has p[x + 14..18]  no -> n4
//     n1: p16[x + 14]  80 -> T  else -> n2      n1: p16[x + 14]  80 -> T  else -> n3
//     n2: has p[x + 16..18]  no -> F       =>   n3: p16[x + 16]  80 -> T  else -> F
//     n3: p16[x + 16]  80 -> T  else -> F       n4: has p[x + 14..16]  no -> F
//                                               n5: p16[x + 14]  80 -> T  else -> F
//
// A packet that ends between the two ports matches by its source port, so the two guards cannot be one
// (widen_guards leaves them).  But hardly a packet ends there: nearly all pay for one guard, and the rest
// takes the copy, which is short since everything behind the wider guard fails.
//
// A copy is made only if it has few questions (kMostCopied); then the questions between the two guards are
// free to be reordered, which lists of addresses need to become trees.
//
// Cost: a bounded number of nodes looked at for each guard.
// Tested by: cbpfc/tests/golden/passes/version.txt.

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "cbpfc/graph/facts.h"
#include "cbpfc/passes/graph_passes.h"

namespace cbpfc::optimizer {
namespace {

/// Questions a copy may have; a guard counts as one, each case of a Switch as one.
constexpr std::size_t kMostCopied = 4;
/// Nodes looked at for one copy, and between two guards.
constexpr int kMostVisited = 64;
/// Answered questions that one copy is led past.
constexpr int kMostPassed = 512;
/// How often one guard is widened.
constexpr int kMostRounds = 6;
/// Bytes that one guard may ask for more than the one in its place did: packets that end there pay twice.
constexpr std::int64_t kMostWidened = 16;

int weight(const Node& node) {
  const auto* many = std::get_if<Switch>(&node);
  return many != nullptr ? static_cast<int>(many->cases.size()) : 1;
}

/// Copies the part of a graph that is left when facts are given.
class Copier {
 public:
  explicit Copier(Graph& graph) : graph_(graph) {}

  /// The copy's entry; nullopt when it would be too large.
  std::optional<NodeId> copy(NodeId id, const Facts& facts) {
    const std::size_t nodes_before = graph_.nodes.size();
    const NodeId entry = visit(id, facts);
    if (is_too_large()) {
      graph_.nodes.resize(nodes_before, Forward{.next = 0});
      return std::nullopt;
    }
    return entry;
  }

 private:
  bool is_too_large() const {
    return visits_ > kMostVisited || passed_ > kMostPassed || copied_ > kMostCopied;
  }

  NodeId visit(NodeId id, const Facts& facts) {
    while (const auto next = facts.decide(graph_.values, graph_.nodes[id])) {
      id = *next;
      if (++passed_ > kMostPassed) {
        return id;
      }
    }
    if (std::holds_alternative<Return>(graph_.nodes[id])) {
      return id;
    }
    visits_ += weight(graph_.nodes[id]);
    if (is_too_large()) {
      return id;
    }
    Node node = graph_.nodes[id];
    std::size_t slot = 0;
    bool is_the_same = true;
    for_each_edge(node, [&](NodeId& target) {
      const NodeId before = target;
      target = visit(target, facts_on_edge(graph_.values, graph_.nodes[id], slot++, facts));
      is_the_same = is_the_same && target == before;
    });
    if (is_the_same) {
      return id;  // the facts change nothing from here on
    }
    if (const auto only = only_target(node)) {
      return *only;
    }
    if (auto* many = std::get_if<Switch>(&node)) {
      std::erase_if(many->cases, [&](const Case& one) { return one.target == many->otherwise; });
    }
    copied_ += static_cast<std::size_t>(weight(node));
    return graph_.add(std::move(node));
  }

  Graph& graph_;
  int visits_ = 0;
  int passed_ = 0;
  std::size_t copied_ = 0;
};

/// The nearest guard behind `own` that looks further than it, as one guard with it; nullopt if there is none.
std::optional<Fits> find_wider(const Graph& graph, const Fits& own) {
  std::vector<NodeId> seen = {own.if_inside};
  for (std::size_t i = 0; i < seen.size() && seen.size() < kMostVisited; ++i) {
    const Node& node = graph.nodes[seen[i]];
    const auto* fits = std::get_if<Fits>(&node);
    if (fits != nullptr && fits->index == own.index &&
        (fits->begin < own.begin || fits->end > own.end)) {
      Fits wider = own;
      wider.begin = std::min(own.begin, fits->begin);
      wider.end = std::max(own.end, fits->end);
      const std::int64_t span = wider.end - wider.begin;
      const bool is_too_wide =
          span - (own.end - own.begin) > kMostWidened || (wider.index && span > kReach);
      return is_too_wide ? std::nullopt : std::optional(wider);
    }
    for_each_edge(node, [&](NodeId target) {
      if (std::ranges::find(seen, target) == seen.end()) {
        seen.push_back(target);
      }
    });
  }
  return std::nullopt;
}

/// The guard in a list behind which it asks again for a value it has asked for before, with the same end; nullopt if
/// there is none.
std::optional<Fits> guard_within_list(const Graph& graph, NodeId id) {
  std::vector<std::pair<ValueId, NodeId>> asked;
  std::optional<Fits> guard;
  for (int steps = 0; steps < kMostVisited; ++steps) {
    if (const auto* node = std::get_if<Switch>(&graph.nodes[id])) {
      if (node->cases.empty()) {
        break;
      }
      const std::pair question(node->value, node->cases.front().target);
      if (guard && std::ranges::find(asked, question) != asked.end()) {
        return guard;
      }
      if (!guard) {
        asked.push_back(question);
        if (asked.size() > kMostCopied) {
          break;
        }
      }
      id = node->otherwise;
    } else if (const auto* fits = std::get_if<Fits>(&graph.nodes[id]); fits != nullptr && !guard) {
      guard = *fits;
      id = fits->if_inside;
    } else {
      break;
    }
  }
  return std::nullopt;
}

/// `id` with the guard for all of its list in front; false if there is none, or too much to copy.
bool put_guard_before(Graph& graph, NodeId id, const PacketRules& rules) {
  auto guard =
      std::holds_alternative<Switch>(graph.nodes[id]) ? guard_within_list(graph, id) : std::nullopt;
  if (!guard) {
    return false;
  }
  Facts facts(rules.max_packet_offset);
  facts.learn_fits(guard->index, guard->begin, guard->end, false);
  const auto shorter = Copier(graph).copy(id, facts);
  if (!shorter || *shorter == id) {
    return false;
  }
  guard->if_inside = graph.add(graph.nodes[id]);
  guard->if_outside = *shorter;
  graph.nodes[id] = *guard;
  return true;
}

}  // namespace

void version_guards(Graph& graph, const PacketRules& rules) {
  for (const NodeId id : topological_order(graph)) {
    put_guard_before(graph, id, rules);
    for (int round = 0; round < kMostRounds; ++round) {
      const auto* own = std::get_if<Fits>(&graph.nodes[id]);
      auto wider = own != nullptr ? find_wider(graph, *own) : std::nullopt;
      if (!wider) {
        break;
      }
      Facts facts(rules.max_packet_offset);
      facts.learn_fits(wider->index, wider->begin, wider->end, false);
      const auto shorter = Copier(graph).copy(id, facts);
      if (!shorter || *shorter == id) {
        break;  // too much to copy, or nothing that shorter packets are spared
      }
      wider->if_outside = *shorter;
      graph.nodes[id] = *wider;
    }
  }
}

}  // namespace cbpfc::optimizer

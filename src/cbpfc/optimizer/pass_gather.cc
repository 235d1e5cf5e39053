// SPDX-License-Identifier: BSD-3-Clause
//
// Gathers comparisons of one value into one Switch.
//
//     n0: p32[26]  A -> T  else -> n1          n0: p32[26]  A, B, C -> T  else -> n1
//     n1: p32[30]  A -> T  else -> n2          n1: p32[30]  A, B -> T     else -> F
//     n2: p32[26]  B -> T  else -> n3    =>
//     n3: p32[30]  B -> T  else -> n4
//     n4: p32[26]  C -> T  else -> F
//
// In a chain of alternatives that all lead to one node the order does not matter, so a comparison may be made
// where the chain first looks at its value.  Comparisons of one value right behind each other become one
// Switch wherever they lead; the first that holds counts.
//
// A Switch is compared with its constants one by one or as a tree (emit_switch.cc), so a list of a thousand
// addresses costs ten comparisons.
//
// Requires: thread_edges and version_guards before, or guards and repeated tests stand in between.
// Cost: O(cases log cases).
// Tested by: passes_test.cc.

#include <algorithm>
#include <map>
#include <unordered_map>
#include <vector>

#include "graph_passes.h"

namespace cbpfc::optimizer {
namespace {

/// Disjoint intervals with their targets; what is there first counts.
class CaseMap {
 public:
  explicit CaseMap(const std::vector<Case>& cases) {
    for (const Case& one : cases) {
      cases_.emplace(one.low, one);
    }
  }

  /// Adds the parts of `added` that no interval has yet.
  void add(Case added) {
    std::uint64_t low = added.low;
    auto next = cases_.upper_bound(added.low);
    if (next != cases_.begin()) {
      low = std::max(low, std::uint64_t{std::prev(next)->second.high} + 1);
    }
    while (low <= added.high) {
      const std::uint64_t free_until =
          next == cases_.end()
              ? added.high
              : std::min<std::uint64_t>(added.high, std::uint64_t{next->first} - 1);
      if (next == cases_.end() || low < next->first) {
        cases_.emplace_hint(next, static_cast<std::uint32_t>(low),
                            Case{.low = static_cast<std::uint32_t>(low),
                                 .high = static_cast<std::uint32_t>(free_until),
                                 .target = added.target});
      }
      if (next == cases_.end()) {
        return;
      }
      low = std::uint64_t{next->second.high} + 1;
      ++next;
    }
  }

  std::vector<Case> take() const {
    std::vector<Case> all;
    all.reserve(cases_.size());
    for (const auto& [low, one] : cases_) {
      all.push_back(one);
    }
    return all;
  }

 private:
  std::map<std::uint32_t, Case> cases_;
};

class Gatherer {
 public:
  explicit Gatherer(Graph& graph) : graph_(graph) {}

  void run() {
    const std::vector<NodeId> order = topological_order(graph_);
    predecessors_ = count_predecessors(graph_, order);
    done_.assign(graph_.nodes.size(), false);
    for (const NodeId id : order) {
      if (!done_[id] && as_switch(id) != nullptr) {
        gather_from(id);
      }
    }
  }

 private:
  /// A chain's members so far, by value: the node that gathers, and its cases.
  struct Gathering {
    NodeId node;
    CaseMap cases;
  };

  Switch* as_switch(NodeId id) { return std::get_if<Switch>(&graph_.nodes[id]); }

  /// The one node all cases lead to, if it is one.
  static std::optional<NodeId> only_match(const Switch& node) {
    const bool is_one = std::ranges::all_of(
        node.cases, [&](const Case& one) { return one.target == node.cases.front().target; });
    return is_one && !node.cases.empty() ? std::optional(node.cases.front().target) : std::nullopt;
  }

  /// Makes one Switch of `id` and what follows it directly with the same value.
  void absorb_followers(NodeId id) {
    Switch* head = as_switch(id);
    Switch* next = as_switch(head->otherwise);
    if (next == nullptr || next->value != head->value || predecessors_[head->otherwise] != 1) {
      return;
    }
    CaseMap cases(head->cases);
    while (next != nullptr && next->value == head->value && predecessors_[head->otherwise] == 1) {
      done_[head->otherwise] = true;
      for (const Case& one : next->cases) {
        cases.add(one);
      }
      head->otherwise = next->otherwise;
      next = as_switch(head->otherwise);
    }
    head->cases = cases.take();
  }

  void gather_from(NodeId start) {
    absorb_followers(start);
    done_[start] = true;
    const auto match = only_match(*as_switch(start));
    if (!match) {
      return;
    }
    std::unordered_map<ValueId, Gathering> chain;
    NodeId last = start;
    chain.emplace(as_switch(start)->value,
                  Gathering{.node = start, .cases = CaseMap(as_switch(start)->cases)});
    for (;;) {
      const NodeId id = as_switch(last)->otherwise;
      if (as_switch(id) == nullptr || predecessors_[id] != 1) {
        break;
      }
      const Switch& node = *as_switch(id);
      if (only_match(node) != match) {
        break;
      }
      const auto place = chain.find(node.value);
      if (place != chain.end()) {
        for (const Case& one : node.cases) {
          place->second.cases.add(one);
        }
        as_switch(last)->otherwise = node.otherwise;
      } else {
        chain.emplace(node.value, Gathering{.node = id, .cases = CaseMap(node.cases)});
        last = id;
      }
      done_[id] = true;
    }
    for (const auto& [value, gathering] : chain) {
      as_switch(gathering.node)->cases = gathering.cases.take();
    }
  }

  Graph& graph_;
  std::vector<std::uint32_t> predecessors_;
  std::vector<bool> done_;
};

}  // namespace

void gather_switches(Graph& graph) {
  Gatherer(graph).run();
}

}  // namespace cbpfc::optimizer

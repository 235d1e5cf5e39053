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
// where the chain first looks at its value.  An alternative may look at several values that all must hold, the
// four words of an IPv6 address or an address and a port; those that look at the same ones become a tree, one
// value a level.  Comparisons of one value right behind each other become one Switch wherever they lead; the
// first that holds counts.
//
// A Switch is compared with its constants one by one or as a tree (switch_code.cc), so a list of a thousand
// addresses costs ten comparisons.
//
// Requires: thread_edges and widen_guards before, or guards and repeated tests stand in between.
// Cost: O(cases log cases).
// Tested by: cbpfc/tests/golden/passes/gather.txt.

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "cbpfc/passes/graph_passes.h"

namespace cbpfc::optimizer {
namespace {

/// Cases of a question of which another may have a copy.
constexpr std::size_t kMostCopiedCases = 2;

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

/// An alternative in a chain: values that all must be what they are compared with.
struct Alternative {
  std::vector<NodeId> nodes;           ///< one for each value; all fail to `next`
  std::vector<ValueId> key;            ///< the values, in order
  std::vector<std::uint32_t> numbers;  ///< for more than one value: what each must be
  NodeId match;
  NodeId next;
};

/// The alternatives of one key in a chain.
struct Group {
  NodeId start;
  std::vector<ValueId> key;
  CaseMap cases;                                    ///< for one value
  std::vector<std::vector<std::uint32_t>> numbers;  ///< for several
};

class Gatherer {
 public:
  explicit Gatherer(Graph& graph) : graph_(graph) {}

  void run() {
    std::vector<NodeId> order = topological_order(graph_);
    predecessors_ = count_predecessors(graph_, order);
    bool has_changed = false;
    for (const NodeId id : order) {
      has_changed = (as_switch(id) != nullptr && absorb_nested(id)) || has_changed;
    }
    if (has_changed) {
      order = topological_order(graph_);
      predecessors_ = count_predecessors(graph_, order);
    }
    done_.assign(graph_.nodes.size(), false);
    for (const NodeId id : order) {
      if (!done_[id] && as_switch(id) != nullptr) {
        absorb_followers(id);
        gather_from(id);
      }
    }
  }

 private:
  Switch* as_switch(NodeId id) { return std::get_if<Switch>(&graph_.nodes[id]); }

  static bool is_single(const Switch& node) {
    return node.cases.size() == 1 && node.cases.front().low == node.cases.front().high;
  }

  /// Makes one Switch of `id` and those behind its cases that look at the same value again, as the two ends of
  /// a range of ports do.  Whether there were any.
  bool absorb_nested(NodeId id) {
    Switch* head = as_switch(id);
    const auto nested = [&](const Case& one) {
      const Switch* inner = as_switch(one.target);
      const bool fits = inner != nullptr && inner->value == head->value &&
                        (predecessors_[one.target] == 1 || inner->cases.size() <= kMostCopiedCases);
      return fits ? inner : nullptr;
    };
    if (std::ranges::none_of(head->cases,
                             [&](const Case& one) { return nested(one) != nullptr; })) {
      return false;
    }
    CaseMap cases({});
    for (const Case& one : head->cases) {
      if (const Switch* inner = nested(one)) {
        for (const Case& part : inner->cases) {
          const std::uint32_t low = std::max(one.low, part.low);
          const std::uint32_t high = std::min(one.high, part.high);
          if (low <= high) {
            cases.add({.low = low, .high = high, .target = part.target});
          }
        }
        cases.add({.low = one.low, .high = one.high, .target = inner->otherwise});
      } else {
        cases.add(one);
      }
    }
    std::vector<Case> all = cases.take();
    std::erase_if(all, [&](const Case& one) { return one.target == head->otherwise; });
    head->cases = std::move(all);
    return true;
  }

  /// Makes one Switch of `id` and what follows it directly with the same value, wherever they lead.
  void absorb_followers(NodeId id) {
    Switch* head = as_switch(id);
    const auto follower = [&] {
      Switch* next = as_switch(head->otherwise);
      const bool fits =
          next != nullptr && next->value == head->value && predecessors_[head->otherwise] == 1;
      return fits ? next : nullptr;
    };
    if (follower() == nullptr) {
      return;
    }
    CaseMap cases(head->cases);
    while (const Switch* next = follower()) {
      done_[head->otherwise] = true;
      for (const Case& one : next->cases) {
        cases.add(one);
      }
      head->otherwise = next->otherwise;
    }
    head->cases = cases.take();
  }

  /// The alternative that starts at `id`; nullopt if what is there is none.
  std::optional<Alternative> alternative_at(NodeId id) {
    const Switch* node = as_switch(id);
    if (node == nullptr || node->cases.empty()) {
      return std::nullopt;
    }
    Alternative found{.nodes = {id},
                      .key = {node->value},
                      .numbers = {node->cases.front().low},
                      .match = node->cases.front().target,
                      .next = node->otherwise};
    if (!is_single(*node)) {
      const bool lead_to_one = std::ranges::all_of(
          node->cases, [&](const Case& one) { return one.target == found.match; });
      return lead_to_one ? std::optional(found) : std::nullopt;
    }
    for (node = as_switch(found.match);
         node != nullptr && is_single(*node) && node->otherwise == found.next &&
         predecessors_[found.match] == 1 &&
         std::ranges::find(found.key, node->value) == found.key.end();
         node = as_switch(found.match)) {
      found.nodes.push_back(found.match);
      found.key.push_back(node->value);
      found.numbers.push_back(node->cases.front().low);
      found.match = node->cases.front().target;
    }
    return found;
  }

  void gather_from(NodeId start) {
    auto next = alternative_at(start);
    if (!next) {
      return;
    }
    const NodeId match = next->match;
    std::vector<Group> groups;
    std::map<std::vector<ValueId>, std::size_t> group_of;
    std::size_t alternatives = 0;
    NodeId behind = start;
    while (next && next->match == match) {
      const auto [place, is_new] = group_of.try_emplace(next->key, groups.size());
      if (is_new) {
        groups.push_back(
            {.start = next->nodes.front(), .key = next->key, .cases = CaseMap({}), .numbers = {}});
      }
      add(groups[place->second], *next);
      ++alternatives;
      behind = next->next;
      if (predecessors_[behind] != next->nodes.size()) {
        break;
      }
      next = alternative_at(behind);
    }
    if (groups.size() == alternatives) {
      return;  // nothing has come together
    }
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const NodeId otherwise = i + 1 < groups.size() ? groups[i + 1].start : behind;
      write(groups[i], match, otherwise);
    }
  }

  void add(Group& group, const Alternative& alternative) {
    for (const NodeId id : alternative.nodes) {
      done_[id] = true;
    }
    if (group.key.size() > 1) {
      group.numbers.push_back(alternative.numbers);
      return;
    }
    for (const Case& one : as_switch(alternative.nodes.front())->cases) {
      group.cases.add(one);
    }
  }

  void write(Group& group, NodeId match, NodeId otherwise) {
    if (group.key.size() == 1) {
      graph_.nodes[group.start] =
          Switch{.value = group.key[0], .cases = group.cases.take(), .otherwise = otherwise};
      return;
    }
    std::ranges::sort(group.numbers);
    graph_.nodes[group.start] = level(group, group.numbers, 0, match, otherwise);
  }

  /// The comparison of the value number `depth`, for alternatives that agree in those before.
  Node level(const Group& group, std::span<const std::vector<std::uint32_t>> numbers,
             std::size_t depth, NodeId match, NodeId otherwise) {
    Switch node{.value = group.key[depth], .cases = {}, .otherwise = otherwise};
    while (!numbers.empty()) {
      const std::uint32_t number = numbers.front()[depth];
      const auto differs = std::ranges::find_if(
          numbers, [&](const std::vector<std::uint32_t>& each) { return each[depth] != number; });
      const auto count = static_cast<std::size_t>(differs - numbers.begin());
      const NodeId target =
          depth + 1 == group.key.size()
              ? match
              : graph_.add(level(group, numbers.first(count), depth + 1, match, otherwise));
      node.cases.push_back({.low = number, .high = number, .target = target});
      numbers = numbers.subspan(count);
    }
    done_.resize(graph_.nodes.size(), true);
    predecessors_.resize(graph_.nodes.size(), 1);
    return node;
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

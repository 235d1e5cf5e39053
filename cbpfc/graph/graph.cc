// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/graph/graph.h"

#include <algorithm>
#include <span>

namespace cbpfc::optimizer {
namespace {

/// A walk that leaves each node after everything it leads to: no recursion, graphs are thousands deep.
class Walk {
 public:
  explicit Walk(const Graph& graph) : graph_(graph) {
    starts_.reserve(graph.nodes.size() + 1);
    targets_.reserve(3 * graph.nodes.size());
    for (const Node& node : graph.nodes) {
      starts_.push_back(static_cast<std::uint32_t>(targets_.size()));
      for_each_edge(node, [&](NodeId target) { targets_.push_back(target); });
    }
    starts_.push_back(static_cast<std::uint32_t>(targets_.size()));
  }

  /// What a node leads to, to be put into another order.
  std::span<NodeId> targets(NodeId id) {
    return std::span(targets_).subspan(starts_[id], starts_[id + 1] - starts_[id]);
  }

  /// Node ids, targets before what leads to them, a node's last target last.
  std::vector<NodeId> postorder() {
    state_.assign(graph_.nodes.size(), State::Unseen);
    std::vector<NodeId> order;
    order.reserve(graph_.nodes.size());
    enter(graph_.entry);
    while (!stack_.empty()) {
      Frame& top = stack_.back();
      if (top.next == starts_[top.node + 1]) {
        state_[top.node] = State::Left;
        order.push_back(top.node);
        stack_.pop_back();
        continue;
      }
      const NodeId target = targets_[top.next++];
      if (state_[target] == State::Unseen) {
        enter(target);
      } else if (state_[target] == State::Entered) {
        has_cycle_ = true;
      }
    }
    return order;
  }

  bool has_cycle() const { return has_cycle_; }

 private:
  enum class State : std::uint8_t { Unseen, Entered, Left };
  struct Frame {
    NodeId node;
    std::uint32_t next;  ///< in `targets_`
  };

  void enter(NodeId id) {
    state_[id] = State::Entered;
    stack_.push_back({.node = id, .next = starts_[id]});
  }

  const Graph& graph_;
  std::vector<std::uint32_t> starts_;  ///< of each node's part of `targets_`
  std::vector<NodeId> targets_;
  std::vector<State> state_;
  std::vector<Frame> stack_;
  bool has_cycle_ = false;
};

std::uint32_t questions_in(const Node& node) {
  const auto* one = std::get_if<Switch>(&node);
  return one != nullptr ? static_cast<std::uint32_t>(std::min<std::size_t>(one->cases.size(), 4))
                        : 1;
}

}  // namespace

std::optional<std::uint32_t> Graph::returned_constant(NodeId id) const {
  const auto* end = std::get_if<Return>(&nodes[id]);
  return end != nullptr ? values.known(end->value) : std::nullopt;
}

bool is_question(const Node& node) {
  return std::visit(Overloaded{
                        [](const Switch&) { return true; },
                        [](const AnyBit&) { return true; },
                        [](const Compare&) { return true; },
                        [](const Fits&) { return true; },
                        [](const SetPhi&) { return false; },
                        [](const Call&) { return false; },
                        [](const Return&) { return false; },
                        [](const Forward&) { return true; },
                    },
                    node);
}

std::optional<NodeId> only_target(const Node& node) {
  std::optional<NodeId> only;
  bool is_one = is_question(node);
  for_each_edge(node, [&](NodeId target) {
    is_one = is_one && only.value_or(target) == target;
    only = target;
  });
  return is_one ? only : std::nullopt;
}

std::vector<ValueId> values_of(const Node& node) {
  std::vector<ValueId> values;
  for_each_value(node, [&](ValueId value) { values.push_back(value); });
  return values;
}

std::vector<NodeId> topological_order(const Graph& graph) {
  // A first walk finds how long the ways are, a second one goes down the longest way last, which puts it
  // first behind its question.
  Walk walk(graph);
  std::vector<NodeId> order = walk.postorder();
  std::ranges::reverse(order);
  const std::vector<std::uint32_t> ways = longest_ways(graph, order);
  for (const NodeId id : order) {
    const std::span<NodeId> targets = walk.targets(id);
    const auto by_length = [&] {
      if (ways[targets[0]] > ways[targets[1]]) {
        std::swap(targets[0], targets[1]);
      }
    };
    std::visit(Overloaded{
                   [&](const Switch& n) {
                     if (n.cases.size() == 1) {
                       by_length();
                     }
                   },
                   [](const AnyBit&) {},  // there is no "jump if no bit is set"
                   [&](const Compare&) { by_length(); },
                   [&](const Fits&) { std::swap(targets[0], targets[1]); },
                   [](const SetPhi&) {},
                   [](const Call&) {},
                   [](const Return&) {},
                   [](const Forward&) {},
               },
               graph.nodes[id]);
  }
  order = walk.postorder();
  std::ranges::reverse(order);
  return order;
}

void remove_dead_nodes(Graph& graph) {
  std::vector<bool> lives(graph.nodes.size(), false);
  for (const NodeId id : Walk(graph).postorder()) {
    lives[id] = true;
  }
  std::vector<NodeId> moved(graph.nodes.size(), 0);
  std::vector<Node> living;
  for (NodeId id = 0; id < graph.nodes.size(); ++id) {
    if (lives[id]) {
      moved[id] = static_cast<NodeId>(living.size());
      living.push_back(std::move(graph.nodes[id]));
    }
  }
  for (Node& node : living) {
    for_each_edge(node, [&](NodeId& target) { target = moved[target]; });
  }
  graph.nodes = std::move(living);
  graph.entry = moved[graph.entry];
}

std::vector<std::uint32_t> count_predecessors(const Graph& graph,
                                              const std::vector<NodeId>& order) {
  std::vector<std::uint32_t> count(graph.nodes.size(), 0);
  ++count[graph.entry];
  for (const NodeId id : order) {
    for_each_edge(graph.nodes[id], [&](NodeId target) { ++count[target]; });
  }
  return count;
}

std::vector<std::uint32_t> longest_ways(const Graph& graph, const std::vector<NodeId>& order) {
  std::vector<std::uint32_t> ways(graph.nodes.size(), 0);
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    const Node& node = graph.nodes[*id];
    for_each_edge(node, [&](NodeId target) {
      ways[*id] = std::max(ways[*id], ways[target] + questions_in(node));
    });
  }
  return ways;
}

std::vector<bool> living_values(const Graph& graph, const std::vector<NodeId>& order) {
  std::vector<bool> lives(graph.values.size(), false);
  for (const NodeId id : order) {
    for_each_value(graph.nodes[id], [&](ValueId value) { lives[value] = true; });
  }
  // Users have higher numbers than what they use.
  for (auto value = static_cast<ValueId>(lives.size()); value-- > 0;) {
    if (lives[value]) {
      for_each_operand(graph.values[value], [&](ValueId operand) { lives[operand] = true; });
    }
  }
  return lives;
}

Questions count_questions(const Graph& graph) {
  Questions count;
  for (const NodeId id : topological_order(graph)) {
    const Node& node = graph.nodes[id];
    if (const auto* many = std::get_if<Switch>(&node)) {
      count.decisions += many->cases.size();
    } else if (std::holds_alternative<Fits>(node)) {
      ++count.guards;
    } else if (is_question(node)) {
      ++count.decisions;
    }
  }
  return count;
}

std::string check_graph(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    bool leads_out = false;
    for_each_edge(node,
                  [&](NodeId target) { leads_out = leads_out || target >= graph.nodes.size(); });
    if (leads_out) {
      return "an edge leads to no node";
    }
  }
  Walk walk(graph);
  for (const NodeId id : walk.postorder()) {
    const Node& node = graph.nodes[id];
    if (std::holds_alternative<Forward>(node)) {
      return "a Forward is left";
    }
    if (const auto* many = std::get_if<Switch>(&node)) {
      std::uint64_t free_from = 0;
      for (const Case& one : many->cases) {
        if (one.low < free_from || one.high < one.low || one.high > graph.values.max(many->value)) {
          return "the cases of a Switch are not sorted, disjoint and possible";
        }
        free_from = std::uint64_t{one.high} + 1;
      }
    }
  }
  return walk.has_cycle() ? "there is a cycle" : std::string();
}

}  // namespace cbpfc::optimizer

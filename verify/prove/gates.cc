// SPDX-License-Identifier: BSD-3-Clause

#include "verify/prove/gates.h"

#include <algorithm>
#include <functional>
#include <map>

namespace cbpfc::prove {

std::vector<z3::expr> Meeting::paths() const {
  std::vector<z3::expr> all;
  all.reserve(edges_.size());
  for (const Edge& edge : edges_) {
    all.push_back(edge.path);
  }
  return all;
}

z3::expr Meeting::choose(const std::vector<z3::expr>& values) const {
  if (std::ranges::all_of(values, [&](const z3::expr& v) { return z3::eq(v, values[0]); })) {
    return values[0];
  }
  std::vector<z3::expr> chosen;  // by step
  chosen.reserve(steps_.size());
  const auto value = [&](std::size_t next) {
    return next < steps_.size() ? chosen[next] : values[next - steps_.size()];
  };
  for (const Step& step : steps_) {
    const z3::expr first = value(step.next[0]);
    if (step.next.size() == 1 || z3::eq(first, value(step.next[1]))) {
      chosen.push_back(first);
    } else {
      chosen.push_back(z3::ite(step.taken[0], first, value(step.next[1])));
    }
  }
  return chosen.back();
}

std::size_t Gates::common_dominator(std::size_t left, std::size_t right) const {
  while (left != right) {
    std::size_t& deeper = nodes_[left].depth >= nodes_[right].depth ? left : right;
    deeper = nodes_[deeper].dominator;
  }
  return left;
}

Meeting Gates::meet(const std::vector<Edge>& edges) {
  std::size_t dominator = edges[0].from;
  for (const Edge& edge : edges) {
    dominator = common_dominator(dominator, edge.from);
  }
  nodes_.push_back({.edges = edges, .dominator = dominator, .depth = nodes_[dominator].depth + 1});
  Meeting meeting;
  meeting.edges_ = edges;
  if (edges.size() == 1) {
    meeting.steps_.push_back({.node = dominator, .taken = {edges[0].taken}, .next = {1}});
    return meeting;
  }
  // The nodes between, from the last: all that is behind a node is known when it is its turn.
  struct Way {
    z3::expr taken;
    std::size_t next;
    bool to_meeting;
  };
  std::map<std::size_t, std::vector<Way>, std::greater<>> between;
  for (std::size_t i = 0; i < edges.size(); ++i) {
    between[edges[i].from].push_back({edges[i].taken, i, true});
  }
  std::map<std::size_t, std::size_t> position;
  for (auto node = between.begin(); node != between.end(); ++node) {
    if (node->first != dominator) {
      for (const Edge& edge : nodes_[node->first].edges) {
        between[edge.from].push_back({edge.taken, node->first, false});
      }
    }
    position.emplace(node->first, position.size());
  }
  for (const auto& [node, ways] : between) {
    Meeting::Step step{.node = node, .taken = {}, .next = {}};
    for (const Way& way : ways) {
      step.taken.push_back(way.taken);
      step.next.push_back(way.to_meeting ? between.size() + way.next : position.at(way.next));
    }
    meeting.steps_.push_back(std::move(step));
  }
  return meeting;
}

}  // namespace cbpfc::prove

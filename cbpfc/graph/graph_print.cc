// SPDX-License-Identifier: BSD-3-Clause
//
// A decision graph as text and as a drawing.

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "cbpfc/graph/graph.h"

namespace cbpfc::optimizer {
namespace {

/// Cases drawn of a Switch; the rest are counted.
constexpr std::size_t kMostDrawn = 12;

struct Edge {
  std::string when;
  NodeId target;
};

std::string print_case(const Case& one) {
  return one.low == one.high ? fmt::format("{:#x}", one.low)
                             : fmt::format("{:#x}..{:#x}", one.low, one.high);
}

std::string title(const Graph& graph, const Node& node, const Values::Namer& name) {
  static constexpr const char* kConditions[] = {"==", ">", ">=", "&"};
  const auto print = [&](ValueId value) { return graph.values.print(value, name); };
  return std::visit(
      Overloaded{
          [&](const Switch& n) { return print(n.value); },
          [&](const AnyBit& n) { return fmt::format("{} & {:#x}", print(n.value), n.mask); },
          [&](const Compare& n) {
            return fmt::format("{} {} {}", print(n.left),
                               kConditions[static_cast<std::size_t>(n.condition)], print(n.right));
          },
          [&](const Fits& n) {
            return n.index ? fmt::format("has p[{} + {}..{}]", print(*n.index), n.begin, n.end)
                           : fmt::format("has p[..{}]", n.end);
          },
          [&](const SetPhi& n) { return fmt::format("{} = {}", print(n.phi), print(n.value)); },
          [&](const Call& n) { return fmt::format("{} = call {}", print(n.phi), n.helper); },
          [&](const Return& n) { return fmt::format("return {}", print(n.value)); },
          [](const Forward&) { return std::string("forward"); },
      },
      node);
}

std::vector<Edge> edges(const Node& node) {
  std::vector<Edge> all;
  for_each_edge(node, [&](NodeId target) { all.push_back({.when = "", .target = target}); });
  if (const auto* many = std::get_if<Switch>(&node)) {
    std::ranges::transform(many->cases, all.begin(), [](const Case& one) {
      return Edge{.when = print_case(one), .target = one.target};
    });
    all.back().when = "else";
  } else if (all.size() == 2) {
    all.front().when = "yes";
    all.back().when = "no";
  }
  return all;
}

/// The first edges, if there are many, and the last.
std::vector<Edge> drawn(std::vector<Edge> all) {
  if (all.size() > kMostDrawn + 2) {
    const auto begin = all.begin() + kMostDrawn;
    *begin = {.when = fmt::format("and {} more", all.size() - 1 - kMostDrawn),
              .target = (all.end() - 2)->target};
    all.erase(begin + 1, all.end() - 1);
  }
  return all;
}

/// Numbers nodes in the order they are printed in.
std::vector<std::size_t> number(const Graph& graph, const std::vector<NodeId>& order) {
  std::vector<std::size_t> numbers(graph.nodes.size(), 0);
  for (std::size_t i = 0; i < order.size(); ++i) {
    numbers[order[i]] = i;
  }
  return numbers;
}

}  // namespace

std::string dump(const Graph& graph) {
  const std::vector<NodeId> order = topological_order(graph);
  const std::vector<std::size_t> numbers = number(graph, order);
  std::string text;
  auto out = std::back_inserter(text);
  std::map<ValueId, std::string> names;
  const Values::Namer name = [&](ValueId value) {
    if (!names.contains(value)) {
      const std::string definition = graph.values.print(value, name);
      names[value] = fmt::format("v{}", names.size());
      fmt::format_to(out, "     {} = {}\n", names[value], definition);
    }
    return names[value];
  };
  for (const NodeId id : order) {
    const std::string asked = title(graph, graph.nodes[id], name);
    fmt::format_to(out, "{:>3}: {}", numbers[id], asked);
    for (const Edge& edge : edges(graph.nodes[id])) {
      fmt::format_to(out, "  {}{}-> {}", edge.when, edge.when.empty() ? "" : " ",
                     numbers[edge.target]);
    }
    text += "\n";
  }
  return text;
}

std::string dump_dot(const Graph& graph) {
  const std::vector<NodeId> order = topological_order(graph);
  const std::vector<std::size_t> numbers = number(graph, order);
  std::string text = "digraph filter {\n  node [shape=box fontname=monospace];\n";
  auto out = std::back_inserter(text);
  const auto name = [](ValueId value) { return fmt::format("v{}", value); };
  for (const NodeId id : order) {
    const Node& node = graph.nodes[id];
    fmt::format_to(out, "  n{} [label=\"{}\"{}];\n", numbers[id], title(graph, node, name),
                   std::holds_alternative<Return>(node) ? " shape=oval"
                   : std::holds_alternative<Fits>(node) ? " style=dashed"
                                                        : "");
    for (const Edge& edge : drawn(edges(node))) {
      fmt::format_to(out, "  n{} -> n{} [label=\"{}\"];\n", numbers[id], numbers[edge.target],
                     edge.when);
    }
  }
  return text + "}\n";
}

}  // namespace cbpfc::optimizer

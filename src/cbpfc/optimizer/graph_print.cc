// SPDX-License-Identifier: BSD-3-Clause
//
// A decision graph as text and as a drawing.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "../overloaded.h"
#include "graph.h"

namespace cbpfc::optimizer {
namespace {

/// Cases shown of a Switch; the rest are counted.
constexpr std::size_t kMostCases = 12;

struct Edge {
  std::string when;
  NodeId target;
};

std::string bytes_at(const Values& values, std::optional<ValueId> index, std::int64_t begin,
                     std::int64_t end) {
  return index ? fmt::format("p[{} + {}..{}]", values.print(*index), begin, end)
               : fmt::format("p[..{}]", end);
}

std::string print_case(const Case& one) {
  return one.low == one.high ? fmt::format("{:#x}", one.low)
                             : fmt::format("{:#x}..{:#x}", one.low, one.high);
}

std::string title(const Graph& graph, const Node& node) {
  static constexpr const char* kConditions[] = {"==", ">", ">=", "&"};
  const Values& values = graph.values;
  return std::visit(
      Overloaded{
          [&](const Switch& n) { return values.print(n.value); },
          [&](const AnyBit& n) { return fmt::format("{} & {:#x}", values.print(n.value), n.mask); },
          [&](const Compare& n) {
            return fmt::format("{} {} {}", values.print(n.left),
                               kConditions[static_cast<std::size_t>(n.condition)],
                               values.print(n.right));
          },
          [&](const Fits& n) {
            return fmt::format("has {}", bytes_at(values, n.index, n.begin, n.end));
          },
          [&](const WideEqual& n) {
            return fmt::format("p64[{}{}] == {:#x}",
                               n.index ? values.print(*n.index) + " + " : std::string(), n.offset,
                               n.bytes);
          },
          [&](const SetPhi& n) {
            return fmt::format("{} = {}", values.print(n.phi), values.print(n.value));
          },
          [&](const Return& n) { return fmt::format("return {}", values.print(n.value)); },
          [](const Forward&) { return std::string("forward"); },
      },
      node);
}

std::vector<Edge> edges(const Node& node) {
  return std::visit(
      Overloaded{
          [](const Switch& n) {
            std::vector<Edge> all;
            for (std::size_t i = 0; i < std::min(n.cases.size(), kMostCases); ++i) {
              all.push_back({.when = print_case(n.cases[i]), .target = n.cases[i].target});
            }
            if (n.cases.size() > kMostCases) {
              all.push_back({.when = fmt::format("and {} more", n.cases.size() - kMostCases),
                             .target = n.cases.back().target});
            }
            all.push_back({.when = "else", .target = n.otherwise});
            return all;
          },
          [](const AnyBit& n) { return std::vector<Edge>{{"yes", n.if_set}, {"no", n.if_clear}}; },
          [](const Compare& n) {
            return std::vector<Edge>{{"yes", n.if_true}, {"no", n.if_false}};
          },
          [](const Fits& n) {
            return std::vector<Edge>{{"yes", n.if_inside}, {"no", n.if_outside}};
          },
          [](const WideEqual& n) {
            return std::vector<Edge>{{"yes", n.if_equal}, {"no", n.otherwise}};
          },
          [](const SetPhi& n) { return std::vector<Edge>{{"", n.next}}; },
          [](const Return&) { return std::vector<Edge>{}; },
          [](const Forward& n) { return std::vector<Edge>{{"", n.next}}; },
      },
      node);
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
  for (const NodeId id : order) {
    fmt::format_to(out, "{:>3}: {}", numbers[id], title(graph, graph.nodes[id]));
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
  for (const NodeId id : order) {
    const Node& node = graph.nodes[id];
    fmt::format_to(out, "  n{} [label=\"{}\"{}];\n", numbers[id], title(graph, node),
                   std::holds_alternative<Return>(node) ? " shape=oval"
                   : std::holds_alternative<Fits>(node) ? " style=dashed"
                                                        : "");
    for (const Edge& edge : edges(node)) {
      fmt::format_to(out, "  n{} -> n{} [label=\"{}\"];\n", numbers[id], numbers[edge.target],
                     edge.when);
    }
  }
  return text + "}\n";
}

}  // namespace cbpfc::optimizer

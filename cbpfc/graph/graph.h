// SPDX-License-Identifier: BSD-3-Clause
//
// The decision graph: a filter as questions about values.
//
//     ldh [12]                 n0: are there 14 bytes?         no -> n3
//     jeq #0x800, L1, L2       n1: p16[12]  0x800 -> n2        else -> n3
//     L1: ret #262144          n2: return 0x40000
//     L2: ret #0               n3: return 0
//
// Registers are gone: each question names its value (value.h), and where it is computed is decided when
// code is emitted.  Leaving early because the packet is too short is a question like any other, so what
// holds of branches holds of guards: two that ask the same are one, and one whose answer is known goes.
//
// Comparisons with constants are questions for an interval, and a Switch asks for many at once; v == k,
// v > k, v & 0xff000000 == k all are intervals.
//
// The graph is acyclic.  Nodes that no edge leads to stay in `nodes`; topological_order() gives the reachable ones.
//
// Tested by: cbpfc/tests/golden/passes, cbpfc/tests/golden/lift, graph_text_test.cc.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/overloaded.h"
#include "cbpfc/graph/value.h"

namespace cbpfc::optimizer {

using NodeId = std::uint32_t;

/// value in [low, high].
struct Case {
  std::uint32_t low;
  std::uint32_t high;
  NodeId target;
  bool operator==(const Case&) const = default;
};
/// Branches on the interval that contains the value.  Cases are sorted and disjoint.
struct Switch {
  ValueId value;
  std::vector<Case> cases;
  NodeId otherwise;
  bool operator==(const Switch&) const = default;
};
/// Is any bit of `mask` set in the value?
struct AnyBit {
  ValueId value;
  std::uint32_t mask;
  NodeId if_set;
  NodeId if_clear;
  bool operator==(const AnyBit&) const = default;
};
/// Does `condition` hold between two values?
struct Compare {
  Condition condition;
  ValueId left;
  ValueId right;
  NodeId if_true;
  NodeId if_false;
  bool operator==(const Compare&) const = default;
};
/// Are the bytes [begin, end) relative to `index` in the packet?  Without an index, [0, end).
///
/// With w = index + begin modulo 2^32: is w + (end - begin) at most the packet's length?
struct Fits {
  std::optional<ValueId> index;
  std::int64_t begin;
  std::int64_t end;
  NodeId if_inside;
  NodeId if_outside;
  bool operator==(const Fits&) const = default;
};
/// Cell `phi` = value.
struct SetPhi {
  ValueId phi;
  ValueId value;
  NodeId next;
  bool operator==(const SetPhi&) const = default;
};
/// Cell `phi` = the low 32 bits of what a helper without arguments returns.
struct Call {
  ValueId phi;
  std::int32_t helper;
  NodeId next;
  bool operator==(const Call&) const = default;
};
struct Return {
  ValueId value;
  bool operator==(const Return&) const = default;
};
/// Only while a graph is built.
struct Forward {
  NodeId next;
  bool operator==(const Forward&) const = default;
};
using Node = std::variant<Switch, AnyBit, Compare, Fits, SetPhi, Call, Return, Forward>;

struct Graph {
  Values values;
  std::vector<Node> nodes;
  NodeId entry = 0;

  NodeId add(Node node) {
    nodes.push_back(std::move(node));
    return static_cast<NodeId>(nodes.size() - 1);
  }
  /// The constant a Return node returns; nullopt for other nodes and computed values.
  std::optional<std::uint32_t> returned_constant(NodeId id) const;
};

/// Calls `f` with a reference to every edge of `node`.
template <typename N, typename F>
void for_each_edge(N& node, F&& f) {
  const auto both = [&](auto& first, auto& second) {
    f(first);
    f(second);
  };
  std::visit(Overloaded{
                 [&](Like<N, Switch>& n) {
                   for (auto& one : n.cases) {
                     f(one.target);
                   }
                   f(n.otherwise);
                 },
                 [&](Like<N, AnyBit>& n) { both(n.if_set, n.if_clear); },
                 [&](Like<N, Compare>& n) { both(n.if_true, n.if_false); },
                 [&](Like<N, Fits>& n) { both(n.if_inside, n.if_outside); },
                 [&](Like<N, SetPhi>& n) { f(n.next); },
                 [&](Like<N, Call>& n) { f(n.next); },
                 [](Like<N, Return>&) {},
                 [&](Like<N, Forward>& n) { f(n.next); },
             },
             node);
}

/// Calls `f` with a reference to every value a node asks for, not those it is computed from.
template <typename N, typename F>
void for_each_value(N& node, F&& f) {
  std::visit(Overloaded{
                 [&](Like<N, Switch>& n) { f(n.value); },
                 [&](Like<N, AnyBit>& n) { f(n.value); },
                 [&](Like<N, Compare>& n) {
                   f(n.left);
                   f(n.right);
                 },
                 [&](Like<N, Fits>& n) {
                   if (n.index) {
                     f(*n.index);
                   }
                 },
                 [&](Like<N, SetPhi>& n) { f(n.value); },
                 [](Like<N, Call>&) {},
                 [&](Like<N, Return>& n) { f(n.value); },
                 [](Like<N, Forward>&) {},
             },
             node);
}

/// Whether a node does nothing but choose between its edges, so that it goes when they are one.
bool is_question(const Node& node);

/// The one node a question leads to, if it is only one.
std::optional<NodeId> only_target(const Node& node);

/// The values of for_each_value().
std::vector<ValueId> values_of(const Node& node);

/// The living nodes, each before all it leads to.  Where there is a choice, the arm with more ahead of it
/// comes right behind the question.
std::vector<NodeId> topological_order(const Graph& graph);

/// Takes out the nodes that no edge leads to; the others get new numbers, in the order they had.
void remove_dead_nodes(Graph& graph);

/// How many edges lead to each node, counted from the living ones.
std::vector<std::uint32_t> count_predecessors(const Graph& graph, const std::vector<NodeId>& order);

/// The longest way from each living node to a return, in questions.
std::vector<std::uint32_t> longest_ways(const Graph& graph, const std::vector<NodeId>& order);

/// Whether each value is wanted by a living node, directly or as a part.
std::vector<bool> living_values(const Graph& graph, const std::vector<NodeId>& order);

/// By cell, its slot on the stack; no slot for a cell that nothing sets.
using CellSlots = std::vector<std::optional<std::uint16_t>>;

/// Where cells (Phi) lie on the stack (phi_cells.cc).
CellSlots place_cells(const Graph& graph, const std::vector<NodeId>& order);

/// The graph as text, one node a line, numbered in order of appearance; a value that is nested deeply has a line
/// before, "v0 = ...".  Complete but for what is dead: cbpfc/tests/graph/graph_reader.h reads it back.
std::string dump(const Graph& graph);

/// The graph for Graphviz.
std::string dump_dot(const Graph& graph);

/// How many questions a graph asks: comparisons, and comparisons with the packet's end.
struct Questions {
  std::size_t decisions = 0;
  std::size_t guards = 0;
};
Questions count_questions(const Graph& graph);

/// Checks what every pass must keep: edges lead to nodes, no cycle, cases sorted, disjoint and within the
/// value's range.  Returns an empty string, or what is wrong.
std::string check_graph(const Graph& graph);

}  // namespace cbpfc::optimizer

// SPDX-License-Identifier: BSD-3-Clause
//
// Shares lists of cases that differ in nothing but the value compared.
//
//     n1: p32[28]  A, B, ... E -> T  else -> n2       n1: cell0 = p32[28], cell1 = p32[38]  -> n5
//     n2: p32[38]  A, B, ... E -> T  else -> F        n3: cell0 = p32[26], cell1 = p32[30]  -> n5
//     n3: p32[26]  A, B, ... E -> T  else -> n4  =>   n5: cell0  A, B, ... E -> T  else -> n6
//     n4: p32[30]  A, B, ... E -> T  else -> F        n6: cell1  A, B, ... E -> T  else -> F
//
// "host" asks for the same addresses in IPv4 and in ARP, "port" for the same ports behind either IP header.  A cell
// costs a jump, and where the first value decides, the load of the second.
//
// Cost: O(cases), by hashing.
// Tested by: cbpfc/tests/golden/passes/share.txt.

#include <map>
#include <tuple>
#include <vector>

#include "cbpfc/passes/graph_passes.h"

namespace cbpfc::optimizer {
namespace {

/// Shorter lists cost less than the jump: four hosts took a quarter longer.
constexpr std::size_t kLeastCases = 5;
/// Cells that one way to a list sets.
constexpr std::size_t kMostCellsOnWay = 2;
/// In a graph, dead ones counted: each may take a slot of the stack.
constexpr std::uint32_t kMostCellsInAll = 16;

/// Switches that are equal but for their values, and so is what their `otherwise` leads to.
struct Class {
  std::vector<NodeId> members = {};
  NodeId shared = 0;
  std::size_t cells = 1;  ///< set on the way to it, if it is shared

  bool is_shared() const { return members.size() > 1; }
};

class Sharer {
 public:
  explicit Sharer(Graph& graph) : graph_(graph), class_of_(graph.nodes.size(), kNone) {}

  void run() {
    const std::vector<NodeId> order = topological_order(graph_);
    for (auto id = order.rbegin(); id != order.rend(); ++id) {
      classify(*id);
    }
    for (Class& one : classes_) {  // those behind others come first
      if (one.is_shared()) {
        share(one);
      }
    }
  }

 private:
  static constexpr std::size_t kNone = ~std::size_t{0};
  /// The cases, and the class or the node that the rest leads to.
  using Key = std::tuple<std::vector<std::uint32_t>, std::size_t, NodeId>;

  void classify(NodeId id) {
    const auto* node = std::get_if<Switch>(&graph_.nodes[id]);
    if (node == nullptr || node->cases.size() < kLeastCases) {
      return;
    }
    const std::size_t next = class_of_[node->otherwise];
    const bool goes_on = next != kNone && classes_[next].cells < kMostCellsOnWay;
    std::vector<std::uint32_t> cases;
    for (const Case& one : node->cases) {
      cases.insert(cases.end(), {one.low, one.high, one.target});
    }
    const auto [place, is_new] = known_.try_emplace(
        Key(std::move(cases), goes_on ? next : kNone, goes_on ? 0 : node->otherwise),
        classes_.size());
    if (is_new) {
      classes_.push_back({.cells = goes_on ? classes_[next].cells + 1 : 1});
    }
    class_of_[id] = place->second;
    classes_[place->second].members.push_back(id);
  }

  void share(Class& one) {
    if (graph_.values.phis() >= kMostCellsInAll) {
      one.members.clear();
      return;
    }
    Switch shared = std::get<Switch>(graph_.nodes[one.members.front()]);
    const std::size_t next = class_of_[shared.otherwise];
    const bool goes_on = one.cells > 1 && classes_[next].is_shared();
    shared.value = graph_.values.new_phi();
    if (goes_on) {
      shared.otherwise = classes_[next].shared;
    }
    one.shared = graph_.add(shared);
    for (const NodeId id : one.members) {
      const auto member = std::get<Switch>(graph_.nodes[id]);
      NodeId to = one.shared;
      if (goes_on) {  // what its `otherwise` has become sets the cell of the next list
        SetPhi set = std::get<SetPhi>(graph_.nodes[member.otherwise]);
        set.next = to;
        to = graph_.add(set);
      }
      graph_.nodes[id] = SetPhi{.phi = shared.value, .value = member.value, .next = to};
    }
  }

  Graph& graph_;
  std::vector<std::size_t> class_of_;  ///< by node
  std::vector<Class> classes_;
  std::map<Key, std::size_t> known_;
};

}  // namespace

void share_lists(Graph& graph) {
  Sharer(graph).run();
}

}  // namespace cbpfc::optimizer

// SPDX-License-Identifier: BSD-3-Clause
//
// Widens guards: one comparison with the packet's end where every way on needs more.
//
//     n0: has p[..14]   no -> F                     n0: has p[..24]   no -> F
//     n1: p16[12]  0x800 -> n2   else -> F    =>    n1: p16[12]  0x800 -> n3   else -> F
//     n2: has p[..24]   no -> F                     n3: ...
//     n3: ...
//
// A guard may fail earlier if every path from it that does not end at F, where its failure leads, fails
// there later anyway.  For each pair of what guards look at (the packet's start, or an index) and where they
// fail, one sweep up the graph finds what all such paths ask for; the guard asks for that.
//
// Relative to an index, spans [begin, end) join to one that starts at the lowest begin: with 32-bit wrap,
// index + 14 may lie outside the packet while index + 16 lies inside, so the lowest counts, not a lower one.
//
// Cost: O(nodes) for each pair, with a bound on the whole.
// Source of the rule that a 0 may come earlier, never later: docs/compiler.md.
// Tested by: cbpfc/tests/golden/passes/widen.txt.

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "cbpfc/passes/graph_passes.h"

namespace cbpfc::optimizer {
namespace {

/// Nodes looked at in all; what is beyond keeps its narrow guards.
constexpr std::size_t kMostWork = 20'000'000;

/// What guards have in common whose needs may be joined.
struct Kind {
  std::optional<ValueId> index;
  NodeId if_outside;
  auto operator<=>(const Kind&) const = default;
};

/// What every path asks for; `any`: no path from here avoids the failure node, the rest says nothing.
struct Need {
  bool any = false;
  bool some = false;  ///< [begin, end) is needed
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

Need both(const Need& left, const Need& right) {
  if (left.any || right.any) {
    return left.any ? right : left;
  }
  if (!left.some || !right.some) {
    return {};
  }
  const Need common{.any = false,
                    .some = true,
                    .begin = std::max(left.begin, right.begin),
                    .end = std::min(left.end, right.end)};
  return common.begin < common.end ? common : Need{};
}

/// The guard's own bytes and what comes later.
Need joined(const Fits& own, const Need& later) {
  Need need{.any = false, .some = true, .begin = own.begin, .end = own.end};
  if (!later.any && later.some) {
    const std::int64_t begin = std::min(own.begin, later.begin);
    const std::int64_t end = std::max(own.end, later.end);
    if (end - begin <= kReach) {
      need.begin = begin;
      need.end = end;
    }
  }
  return need;
}

class Widener {
 public:
  explicit Widener(Graph& graph) : graph_(graph), order_(topological_order(graph)) {}

  void run() {
    std::map<Kind, std::vector<NodeId>> kinds;
    for (const NodeId id : order_) {
      if (const auto* fits = std::get_if<Fits>(&graph_.nodes[id])) {
        kinds[{.index = fits->index, .if_outside = fits->if_outside}].push_back(id);
      }
    }
    std::size_t work = 0;
    for (const auto& [kind, guards] : kinds) {
      work += order_.size();
      if (guards.size() > 1 && work < kMostWork) {
        widen(kind);
      }
    }
  }

 private:
  void widen(const Kind& kind) {
    needs_.assign(graph_.nodes.size(), Need{});
    for (auto id = order_.rbegin(); id != order_.rend(); ++id) {
      needs_[*id] = need_at(*id, kind);
    }
    for (const NodeId id : order_) {
      auto* fits = std::get_if<Fits>(&graph_.nodes[id]);
      if (fits != nullptr && fits->index == kind.index && fits->if_outside == kind.if_outside) {
        fits->begin = needs_[id].begin;
        fits->end = needs_[id].end;
      }
    }
  }

  Need need_at(NodeId id, const Kind& kind) const {
    if (id == kind.if_outside) {
      return {.any = true};
    }
    const Node& node = graph_.nodes[id];
    const auto* fits = std::get_if<Fits>(&node);
    if (fits != nullptr && fits->index == kind.index && fits->if_outside == kind.if_outside) {
      return joined(*fits, needs_[fits->if_inside]);
    }
    std::optional<Need> need;
    for_each_edge(
        node, [&](NodeId target) { need = need ? both(*need, needs_[target]) : needs_[target]; });
    return need.value_or(Need{});
  }

  Graph& graph_;
  std::vector<NodeId> order_;
  std::vector<Need> needs_;
};

}  // namespace

void widen_guards(Graph& graph) {
  Widener(graph).run();
}

}  // namespace cbpfc::optimizer

// SPDX-License-Identifier: BSD-3-Clause
//
// Which value a register has where paths meet, by the branches that decide between the paths.
//
//         p23 == 6 ?                  x at the meeting, given that it is reached:
//        /          \                     p23 == 6 ? x1 : x2
//      x = x1      x = x2
//       | \          |                the guard that may leave on the left way says nothing about x, nor
//       |  leaves    |                does what was decided before the question was put
//        \          /
//         meeting
//
// The conditions under which the edges are taken would do, too, but they contain everything that
// happened before.  These are short, and the same for two programs that ask the same questions in the
// same order but leave at different points, so that the values become the same terms.
//
// For each meeting the nodes between its dominator and it are walked once.
// Source: Ottenstein, Ballance, MacCabe, "The program dependence web", 1990 (gating functions).

#pragma once

#include <z3++.h>

#include <cstddef>
#include <vector>

#include "verify/prove/terms.h"

namespace cbpfc::prove {

/// A way control goes from a node to the next.
struct Edge {
  std::size_t from;  ///< the node
  z3::expr path;     ///< when control goes this way
  z3::expr taken;    ///< the same, given that it comes to the node's end
};

/// The edges that meet in a node, at least one.
class Meeting {
 public:
  /// Chooses between one value for each edge.
  z3::expr choose(const std::vector<z3::expr>& values) const;

  const std::vector<Edge>& edges() const { return edges_; }
  std::vector<z3::expr> paths() const;

 private:
  friend class Gates;
  /// A node between, where control goes on to one or two of those behind it.
  struct Step {
    std::size_t node;
    std::vector<z3::expr> taken;
    std::vector<std::size_t> next;  ///< a step's position, or steps' number + an edge's
  };
  std::vector<Edge> edges_;
  std::vector<Step> steps_;  ///< from the meeting back; the last is the dominator
};

/// The nodes of a program, in an order in which edges go forward.
class Gates {
 public:
  static constexpr std::size_t kEntry = 0;

  explicit Gates(z3::context&) : nodes_(1) {}

  /// Adds a node where `edges` meet; its number is number().
  Meeting meet(const std::vector<Edge>& edges);

  /// Of the node added last.
  std::size_t number() const { return nodes_.size() - 1; }

 private:
  struct Node {
    std::vector<Edge> edges = {};
    std::size_t dominator = kEntry;
    std::size_t depth = 0;  ///< in the tree of dominators
  };
  std::size_t common_dominator(std::size_t left, std::size_t right) const;

  std::vector<Node> nodes_;
};

}  // namespace cbpfc::prove

// SPDX-License-Identifier: BSD-3-Clause
//
// The order in which a program's blocks are visited when every path is followed at once.
//
// Control arrives at an instruction by edges, each with the condition under which it is taken and the
// state it brings.  An instruction is visited when all its edges are known: in program order, where
// jumps go forward.  A jump backward arrives in the next round, so that loops are unrolled:
//
//     round 0:  0 1 2 3 4        3 jumps to 1
//     round 1:    1 2 3 4        and again
//     round 2:    1 2 3 4  ...   until the condition to get there is false
//
// So each (round, instruction) is visited once at most.

#pragma once

#include <z3++.h>

#include <map>
#include <utility>
#include <vector>

#include "verify/prove/gates.h"

namespace cbpfc::prove {

template <typename State>
class Flow {
 public:
  struct Visit {
    std::size_t round = 0;
    std::size_t insn = 0;
    std::vector<Edge> edges;    ///< exactly one is taken when control gets here
    std::vector<State> states;  ///< that they bring
  };

  /// Adds an edge; one that cannot be taken is none.
  void arrive(std::size_t round, std::size_t insn, const Edge& edge, const State& state) {
    if (edge.path.is_false()) {
      return;
    }
    Visit& visit = pending_[{round, insn}];
    visit.round = round;
    visit.insn = insn;
    visit.edges.push_back(edge);
    visit.states.push_back(state);
  }

  /// An edge from an instruction visited in `round` to another.
  void jump(std::size_t round, std::size_t from, std::size_t to, const Edge& edge,
            const State& state) {
    arrive(to <= from ? round + 1 : round, to, edge, state);
  }

  bool done() const { return pending_.empty(); }

  Visit next() { return std::move(pending_.extract(pending_.begin()).mapped()); }

 private:
  std::map<std::pair<std::size_t, std::size_t>, Visit> pending_;
};

}  // namespace cbpfc::prove

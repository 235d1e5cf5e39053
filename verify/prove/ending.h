// SPDX-License-Identifier: BSD-3-Clause
//
// What following every path of a program leaves: where it ends, with what, and when.

#pragma once

#include <z3++.h>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace cbpfc::prove {

/// One way a program ends; the conditions of all of them exclude each other.
struct Ending {
  z3::expr condition;
  z3::expr value;
};

/// A way in which a program goes wrong, if `condition` can hold.
struct Violation {
  z3::expr condition;
  std::size_t insn;
  std::string what;
  bool interpreted = true;  ///< the interpreter stops there, too
};

struct Outcome {
  std::vector<Ending> endings;
  std::vector<Violation> violations;
  /// Loops that were followed no further; the proof holds only if none of these conditions can hold.
  std::vector<Violation> overruns;
};

/// How loops are followed.
struct Unrolling {
  std::size_t max_rounds = 0;
  /// Whether a condition can hold for some packet, as far as a quick look shows.
  std::function<bool(const z3::expr&)> may_hold;
};

}  // namespace cbpfc::prove

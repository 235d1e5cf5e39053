// SPDX-License-Identifier: BSD-3-Clause
//
// Asks Z3 for a packet with which something goes wrong.

#pragma once

#include <z3++.h>

#include <chrono>
#include <optional>
#include <vector>

#include "verify/prove/packet.h"

namespace cbpfc::prove {

enum class Answer : std::uint8_t { Impossible, Possible, Unknown };

class Questions {
 public:
  using Clock = std::chrono::steady_clock;

  Questions(Terms& terms, SymbolicPacket& packet, Clock::time_point deadline)
      : terms_(terms), packet_(packet), deadline_(deadline) {}

  /// Whether some packet makes `condition` hold; model() is it, then.
  Answer ask(const z3::expr& condition);

  /// Takes a packet that makes `condition` hold instead of the one found, if there is one soon.
  /// Requires: the last ask() was Possible.
  bool prefer(const z3::expr& condition);

  /// A quick look: false only if no packet makes `condition` hold.
  bool may_hold(const z3::expr& condition);

  /// Requires: the last ask() was Possible.
  const z3::model& model() const { return *model_; }

  std::size_t asked() const { return asked_; }

 private:
  std::chrono::milliseconds time_left() const;
  Answer solve(z3::solver& solver, std::chrono::milliseconds timeout,
               const z3::expr_vector& assumptions);
  void add_known(z3::solver& solver);

  Terms& terms_;
  SymbolicPacket& packet_;
  Clock::time_point deadline_;
  std::vector<z3::expr> consistency_;  ///< what the solver had to be told about equal offsets
  std::optional<z3::solver> quick_;    ///< what may_hold() asks: keeps what it learns
  std::size_t quick_knows_ = 0;        ///< definitions it was told
  std::optional<z3::model> model_;
  std::size_t asked_ = 0;
};

}  // namespace cbpfc::prove

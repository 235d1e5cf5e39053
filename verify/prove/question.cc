// SPDX-License-Identifier: BSD-3-Clause

#include "verify/prove/question.h"

#include <algorithm>
#include <utility>

namespace cbpfc::prove {
namespace {

constexpr std::chrono::milliseconds kQuickLook{500};

/// Chosen by measuring: sharing sums before they become bits makes expressions with many computed
/// offsets three times faster, and costs others nothing.
z3::solver make_solver(z3::context& context) {
  const auto by = [&](const char* name) { return z3::tactic(context, name); };
  return (by("simplify") & by("propagate-values") & by("solve-eqs") & by("max-bv-sharing") &
          by("bit-blast") & by("sat"))
      .mk_solver();
}

}  // namespace

std::chrono::milliseconds Questions::time_left() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
}

void Questions::add_known(z3::solver& solver) {
  for (const z3::expr& fact : packet_.facts()) {
    solver.add(fact);
  }
  for (const z3::expr& definition : terms_.definitions()) {
    solver.add(definition);
  }
  for (const z3::expr& fact : consistency_) {
    solver.add(fact);
  }
}

Answer Questions::solve(z3::solver& solver, std::chrono::milliseconds timeout,
                        const z3::expr_vector& assumptions) {
  if (timeout.count() <= 0) {
    return Answer::Unknown;
  }
  z3::params params(terms_.context());
  params.set("timeout", static_cast<unsigned>(timeout.count()));
  solver.set(params);
  ++asked_;
  switch (solver.check(assumptions)) {
    case z3::unsat: return Answer::Impossible;
    case z3::sat: return Answer::Possible;
    case z3::unknown: break;
  }
  return Answer::Unknown;
}

Answer Questions::ask(const z3::expr& condition) {
  if (condition.is_false()) {
    return Answer::Impossible;
  }
  z3::solver solver = make_solver(terms_.context());
  add_known(solver);
  solver.add(condition);
  while (true) {
    const Answer answer = solve(solver, time_left(), z3::expr_vector(terms_.context()));
    if (answer != Answer::Possible) {
      return answer;
    }
    model_ = solver.get_model();
    std::vector<z3::expr> missing = packet_.contradictions(*model_);
    if (missing.empty()) {
      missing = terms_.products().contradictions(*model_);
    }
    if (missing.empty()) {
      return Answer::Possible;
    }
    for (const z3::expr& fact : missing) {
      solver.add(fact);
      consistency_.push_back(fact);
    }
  }
}

bool Questions::prefer(const z3::expr& condition) {
  const std::optional<z3::model> found = model_;
  const auto deadline = std::exchange(deadline_, std::min(deadline_, Clock::now() + kQuickLook));
  const bool possible = ask(condition) == Answer::Possible;
  if (!possible) {
    model_ = found;
  }
  deadline_ = deadline;
  return possible;
}

bool Questions::may_hold(const z3::expr& condition) {
  if (condition.is_true() || condition.is_false()) {
    return condition.is_true();
  }
  if (!quick_) {
    quick_.emplace(terms_.context(), "QF_BV");
    for (const z3::expr& fact : packet_.facts()) {
      quick_->add(fact);
    }
  }
  const z3::expr name = terms_.define(condition);
  const std::vector<z3::expr>& definitions = terms_.definitions();
  for (; quick_knows_ < definitions.size(); ++quick_knows_) {
    quick_->add(definitions[quick_knows_]);
  }
  z3::expr_vector assumptions(terms_.context());
  assumptions.push_back(name);
  return solve(*quick_, std::min(kQuickLook, time_left()), assumptions) != Answer::Impossible;
}

}  // namespace cbpfc::prove

// SPDX-License-Identifier: BSD-3-Clause
//
// Initial values and divisors: what classic BPF defines and eBPF leaves to the program.
//
// A and X start as 0 in classic BPF; reading an unwritten register is an error in eBPF.  They are
// set at the entry, and only when some path from there reads before it writes (they are live at the
// entry).
//
// A division by X when X is 0 ends a classic program with 0; eBPF defines the quotient as 0 and
// goes on. A guard is needed where X may be 0: not after another guard, nor after X = constant.
//
// Cost: one sweep each.  Tested by: tests/golden/c.

#include "known_values.h"
#include "passes.h"

namespace cbpfc {
namespace {

bool divides_by_x(const Step& step) {
  const auto* alu = std::get_if<Alu>(&step);
  return alu != nullptr && alu->operand.is_x && (alu->op == AluOp::Div || alu->op == AluOp::Mod);
}

/// Whether X is known not to be 0 after `step`, given whether it was before.
bool nonzero_after(const Step& step, bool before) {
  if (const auto* constant = std::get_if<LoadImmediate>(&step);
      constant != nullptr && constant->dst == Register::X) {
    return constant->value != 0;
  }
  return before && !writes(step, Register::X);
}

/// The steps with a guard before each division that needs one; updates `nonzero` on the way.
std::vector<Step> with_divisor_guards(const std::vector<Step>& steps, bool& nonzero) {
  std::vector<Step> guarded;
  for (const Step& step : steps) {
    if (divides_by_x(step) && !nonzero) {
      guarded.emplace_back(DivisorGuard{});
      nonzero = true;
    }
    guarded.push_back(step);
    nonzero = nonzero_after(step, nonzero);
  }
  return guarded;
}

}  // namespace

void initialize_registers(Cfg& cfg) {
  const VariableSet live = live_at_entries(cfg)[0];
  std::vector<Step>& entry = cfg.blocks[0].steps;
  for (const Register r : {Register::X, Register::A}) {
    if ((live & set_of(r)) != 0) {
      entry.insert(entry.begin(), LoadImmediate{.dst = r, .value = 0});
    }
  }
}

void guard_divisions(Cfg& cfg) {
  std::vector<bool> nonzero_in(cfg.blocks.size(), true);  // of all predecessors seen so far
  nonzero_in[0] = false;
  for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
    Block& block = cfg.blocks[id];
    if (!block.reachable) {
      continue;
    }
    bool nonzero = nonzero_in[id];
    block.steps = with_divisor_guards(block.steps, nonzero);
    for (const BlockId next : successors(block.exit)) {
      nonzero_in[next] = nonzero_in[next] && nonzero;
    }
  }
}

}  // namespace cbpfc

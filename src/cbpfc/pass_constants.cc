// SPDX-License-Identifier: BSD-3-Clause
//
// Hides constants from the verifier.
//
// The verifier knows the value of a constant, and of a sum of constants.  Where paths meet with
// different sums and a later comparison or address depends on them, it walks on from there once for each
// sum; n branches that may add something make 2^n sums, and it gives up after a million instructions:
//
//     x = 0                                    x = opaque 0
//     if p8[0] & 1: a = x; a += 1; x = a  =>   the same; the verifier knows nothing of x,
//     if p8[1] & 1: a = x; a += 2; x = a       and after each join it goes on once
//     ...
//
// So when arithmetic is done on what may be a constant, every constant is added to a 0 that the verifier
// does not know (emit_ebpf.cc, load_unknown_zero).  libpcap's optimiser folds such arithmetic, so its
// programs are left alone.
//
// Cost: three instructions a constant, in programs that do arithmetic on constants; one sweep.
// Does not: follow constants through scratch memory, which the verifier forgets by itself mostly.
// Source: Linux v6.18 kernel/bpf/verifier.c adjust_ptr_min_max_vals(), BPF_COMPLEXITY_LIMIT_INSNS.
// Tested by: passes_test.cc, tests/differential/limits_test.cc.

#include <vector>

#include "passes.h"

namespace cbpfc {
namespace {

/// Whether the registers may hold a value the verifier knows.
struct MayBeConstant {
  bool a = false;
  bool x = false;
  bool operator==(const MayBeConstant&) const = default;
};

MayBeConstant after(const Step& step, MayBeConstant before) {
  if (const auto* immediate = std::get_if<LoadImmediate>(&step)) {
    (immediate->dst == Register::A ? before.a : before.x) = true;
  } else if (const auto* transfer = std::get_if<Transfer>(&step)) {
    before = transfer->dst == Register::X ? MayBeConstant{.a = before.a, .x = before.a}
                                          : MayBeConstant{.a = before.x, .x = before.x};
  } else if (const auto* alu = std::get_if<Alu>(&step)) {
    before.a = before.a && (!alu->operand.is_x || before.x);
  } else if (!std::holds_alternative<Negate>(step)) {
    before.a = before.a && !writes(step, Register::A);
    before.x = before.x && !writes(step, Register::X);
  }
  return before;
}

bool computes_with_constants(const Step& step, const MayBeConstant& before) {
  const auto* alu = std::get_if<Alu>(&step);
  return before.a && (std::holds_alternative<Negate>(step) ||
                      (alu != nullptr && (!alu->operand.is_x || before.x)));
}

/// What may be constant at each block's entry; goes round loops.
std::vector<MayBeConstant> entries(const Cfg& cfg) {
  std::vector<MayBeConstant> entry(cfg.blocks.size());
  for (bool changed = true; changed;) {
    changed = false;
    for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
      const Block& block = cfg.blocks[id];
      if (!block.reachable) {
        continue;
      }
      MayBeConstant now = entry[id];
      for (const Step& step : block.steps) {
        now = after(step, now);
      }
      for (const BlockId next : successors(block.exit)) {
        const MayBeConstant joined{.a = entry[next].a || now.a, .x = entry[next].x || now.x};
        // What comes by edges upwards is there in the first round.
        changed = changed || (next <= id && joined != entry[next]);
        entry[next] = joined;
      }
    }
  }
  return entry;
}

bool computes_with_constants(const Cfg& cfg) {
  const std::vector<MayBeConstant> entry = entries(cfg);
  for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
    MayBeConstant now = entry[id];
    for (const Step& step : cfg.blocks[id].steps) {
      if (cfg.blocks[id].reachable && computes_with_constants(step, now)) {
        return true;
      }
      now = after(step, now);
    }
  }
  return false;
}

}  // namespace

void hide_constants(Cfg& cfg) {
  if (!computes_with_constants(cfg)) {
    return;
  }
  for (Block& block : cfg.blocks) {
    for (Step& step : block.steps) {
      if (const auto* immediate = std::get_if<LoadImmediate>(&step)) {
        step = LoadOpaque{.dst = immediate->dst, .value = immediate->value};
      }
    }
  }
}

}  // namespace cbpfc

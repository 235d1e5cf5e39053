// SPDX-License-Identifier: BSD-3-Clause
//
// What the verifier must forget (part of GraphEmitter).
//
// Behind `if w4 != 0x0a000001 goto next` the verifier knows what w4 is, and by it decides every comparison of w4 behind
// `next`, should a later question lead there after all.  Where such a way meets others, the value is loaded again:
//
//         if w4 != 0x0a000001 goto next
//         if w5 != 17 goto pad
//         ...
//     pad:  r4 = *(u32 *)(r2 + 30)
//     next: if w4 != 0x0a000002 goto ...
//
// It costs a load where a rule matched in part, nothing elsewhere, and is done only for values that many
// questions ask for.  The arm that is walked first comes through the pad, so the states that the verifier
// compares later ones with are general ones.
//
// Source: kernel/bpf/verifier.c, v6.12: check_cond_jmp_op(), is_branch_taken(), regsafe().
// Tested by: verify/differential/drop_rules_test.cc.

#include <algorithm>

#include "cbpfc/emit/graph_emitter.h"

namespace cbpfc::optimizer {

using ebpf::Reg;

std::vector<bool> values_asked_often(const Graph& graph, const std::vector<NodeId>& order) {
  constexpr std::uint32_t kOften = 16;
  std::vector<std::uint32_t> questions(graph.values.size(), 0);
  std::vector<bool> often(graph.values.size(), false);
  for (const NodeId id : order) {
    if (const auto* node = std::get_if<Switch>(&graph.nodes[id])) {
      often[node->value] = ++questions[node->value] > kOften;
    }
  }
  return often;
}

/// On the way with `state`, the verifier knows which number `reg` holds.
void GraphEmitter::pin_down(Reg reg, MachineState& state) const {
  Held& held = state.held[static_cast<std::size_t>(reg)];
  held.is_pinned_down = held.kind == Held::Kind::Number && is_asked_often_[held.value];
}

bool GraphEmitter::must_forget(NodeId target, const MachineState& state) const {
  return predecessors_[target] > 1 && !is_end(target) &&
         std::ranges::any_of(state.held, [&](const Held& held) {
           return held.is_pinned_down && values_.is_wanted(held, positions_[target]);
         });
}

std::string GraphEmitter::flow_to_pad(NodeId target, const MachineState& state) {
  std::optional<Pad>& pad = pads_[target];
  if (!pad) {
    pad = Pad{.label = local_label(), .state = state};
    return pad->label;
  }
  MachineState both = MachineState::meet(pad->state, state);
  for (std::size_t i = 0; i < both.held.size(); ++i) {
    both.held[i].is_pinned_down = pad->state.held[i].is_pinned_down || state.held[i].is_pinned_down;
  }
  pad->state = both;
  return pad->label;
}

/// All ways to `target` have been emitted.
void GraphEmitter::emit_pad(NodeId target) {
  Pad& pad = *pads_[target];
  const std::optional<MachineState>& others = entry_states_[target];
  values_.code.label(pad.label);
  for (std::size_t i = 0; i < pad.state.held.size(); ++i) {
    Held& held = pad.state.held[i];
    if (held.kind != Held::Kind::Number || !held.is_pinned_down) {
      continue;
    }
    const bool is_kept = (!others || others->held[i].is_same(held)) &&
                         values_.is_wanted(held, positions_[target]) &&
                         values_.can_reload(held.value, pad.state);
    if (is_kept) {
      values_.reload(static_cast<Reg>(i), held.value);
      held.is_pinned_down = false;
    } else {
      held = {};
    }
  }
  flow(target, pad.state);
}

}  // namespace cbpfc::optimizer

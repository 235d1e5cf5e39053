// SPDX-License-Identifier: BSD-3-Clause
//
// The instructions that hand a packet on along a chain (chain_state.h).
//
//     capture program of a position        place = next[action][position]
//     dispatcher                           place = head[action]
//     0: return the action
//     tail call to that place; if that fails: count, return the action
//
// A tail call does not return, so what comes next in the chain returns the action in the end.  It fails when the packet has
// used up its 33 tail calls, which the target's own count towards; then what stands behind in the chain misses the packet, and
// the number says so.
//
// Cost: a load and a comparison where nobody comes next; where somebody does a tail call, which by a number from memory is an
// indirect jump: 13 ns on a machine that guards against branch target injection (docs/performance.md).
// Source: Linux v6.18 include/uapi/linux/bpf.h bpf_tail_call().
// Tested by: tests/kernel/chain_test.cc.

#pragma once

#include <cbpfc/ebpf.h>

#include <cstdint>
#include <vector>

#include "attach/action.h"

namespace xdpcap {

struct HandOnSpec {
  Action action = Action::Pass;
  int state_fd = -1;     ///< the map of a chain::ChainState
  int programs_fd = -1;  ///< the map of programs
  std::uint32_t position = 0;
  cbpfc::ebpf::Reg context = cbpfc::ebpf::Reg::R6;
};

/// Tail-calls what comes next; goes on behind it when the tail call fails, and to `end_label` when nobody comes next.
void emit_hand_on(cbpfc::ebpf::Assembly& code, const HandOnSpec& spec,
                  const std::string& end_label);

/// A whole program that hands on to the first of a chain.
Result<std::vector<cbpfc::ebpf::Insn>> build_dispatcher(const HandOnSpec& spec);

}  // namespace xdpcap

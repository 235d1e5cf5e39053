// SPDX-License-Identifier: BSD-3-Clause
//
// The instructions that hand a packet on along a chain (chain_state.h).
//
//     bits = entered[action]
//     any of a later position?  ──no──► return the action
//     the first later position whose bit is set: tail call to its place
//     (came back: count the packet as not handed on, return the action)
//
// A tail call comes back only when the packet has used up its 33 tail calls, which the target's own count towards.
//
// Cost: a load and a test where nothing comes next; else a test for each position on the way there, and a jump: the kernel patches the
// address into the program (bpf_arch_poke_desc_update()) as long as a call instruction has one map and one constant.
// Source: Linux v6.18 kernel/bpf/verifier.c do_misc_fixups(), arch/x86/net/bpf_jit_comp.c emit_bpf_tail_call_direct().
// Tested by: xdpcap/tests/kernel/sharing/chain_test.cc.

#pragma once

#include <cbpfc/ebpf.h>

#include <cstdint>
#include <string>

#include "xdpcap/kernel/action.h"

namespace xdpcap {

struct HandOnSpec {
  Action action = Action::Pass;
  std::uint32_t position = 0;  ///< of this program
  int state_fd = -1;           ///< the map of a chain::ChainState
  int programs_fd = -1;        ///< the map of programs
  cbpfc::ebpf::Reg context = cbpfc::ebpf::Reg::R6;
};

/// The test: goes on behind it where nothing comes next, else to `chain_label`.
void emit_ask_next(cbpfc::ebpf::Assembly& code, const HandOnSpec& spec,
                   const std::string& chain_label);

/// What stands at `chain_label`: the tail calls.  Goes on behind it when one came back.
void emit_hand_on(cbpfc::ebpf::Assembly& code, const HandOnSpec& spec);

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// The order in which the verifier walks a fragment, and which way of a branch it should take first.
//
// At a branch it goes on with the instruction behind and keeps the jump's target for later; of those it
// keeps no more than 8,192.  In a long list of tests the way on is behind each of them,
//
//     if a != 1 goto next_1       the verifier keeps next_1 ...
//     return 1
//     next_1:                     ... and looks at it when it has seen the return: never more than one
//
//     if a == 1 goto match        here it keeps one for each test, and gives up after 8,192
//     if a == 2 goto match
//
// so where a fragment would come too close to that, a branch jumps to where there is more to walk:
//
//     if a != 1 goto next_1
//     goto match
//     next_1: ...
//
// which takes one instruction more, on the way out only.  Guards likewise.
//
// Does not: help where both ways of a branch lead to the rest of the program; each such branch keeps one.
// Assembling does the same for any program (ebpf_pending.h), but cannot turn a test of bits, for which it has no
// register.
//
// Cost: one sweep.  Source: Linux v6.18 kernel/bpf/verifier.c push_stack(), BPF_COMPLEXITY_LIMIT_JMP_SEQ.
// Tested by: differential/limits_test.cc, targets_test.cc.

#pragma once

#include <vector>

#include "cfg.h"

namespace cbpfc {

/// A branch as it is emitted: a jump to `later` on a condition, and `first` behind it.
struct Arms {
  BlockId first;
  BlockId later;
};

class VerifierWalk {
 public:
  /// `next[i]` is the block emitted behind block i.
  VerifierWalk(const Cfg& cfg, const std::vector<BlockId>& next);

  /// How the branch at the end of a block is emitted.
  Arms arms(BlockId id) const;
  /// Whether the guards of a block jump to go on.
  bool guards_jump_to_go_on(BlockId id) const { return guards_jump_[id]; }

 private:
  Arms arms(const Branch& branch, BlockId next) const;

  const Cfg& cfg_;
  const std::vector<BlockId>& next_;
  std::vector<std::uint32_t> kept_;  ///< most ways kept for later at a time, from a block on
  std::vector<bool> guards_jump_;
};

}  // namespace cbpfc

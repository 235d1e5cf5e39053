// SPDX-License-Identifier: BSD-3-Clause
//
// Upper bounds of A and X: what the kernel verifier will know about them at run time's every point.
//
// A pointer may only be moved by a register whose bound the verifier knows.  Where our bound is small
// enough, no run-time check is needed; so a bound must never be tighter than the verifier's own.  It
// forgets everything at a byte swap, a division, a multiplication and a load from the stack;
// hence only bytes, constants, masks, shifts and sums of those have bounds here.
//
// It also forgets at branches: behind "no bit of k is set" a register's bounds are made anew from its
// known bits, which can be wider.  And not every verifier sees that a branch cannot be taken: behind
// "a == 1000", with a at most 255, Linux 6.1 goes on with a = 1000.  What it learns or forgets of a
// register it applies to copies of it, so the emitter makes no copies it could see (emit_ebpf.cc,
// copy_unseen).
//
// Source: Linux v6.18 kernel/bpf/verifier.c adjust_scalar_min_max_vals(), regs_refine_cond_op(),
// sync_linked_regs().
// Tested by: tests/golden/c; by every program the differential tests load.

#pragma once

#include <cstdint>

#include "cfg.h"

namespace cbpfc {

/// Largest values A and X can have, and whether X was made from nothing but the packet or a
/// constant.
struct ValueRange {
  std::uint32_t a_max = 0;
  std::uint32_t x_max = 0;
  bool x_is_plain = true;  ///< X is no copy of a register

  /// The range that holds on either of two paths.
  static ValueRange join(const ValueRange& left, const ValueRange& right);
};

/// The range after `step`.
ValueRange range_after(const Step& step, ValueRange before);

/// The range on every way out of a block, also on those that no packet takes.
ValueRange range_after(const Exit& exit, ValueRange before);

}  // namespace cbpfc

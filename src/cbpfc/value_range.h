// SPDX-License-Identifier: BSD-3-Clause
//
// Upper bounds of A and X: what the kernel verifier will know about them at run time's every point.
//
// A pointer may only be moved by a register whose bound the verifier knows.  Where our bound is
// small enough, no run-time check is needed; so a bound must never be tighter than the verifier's
// own.  It forgets everything at a byte swap, a division, a multiplication of unknowns and a load
// from the stack; hence only bytes, constants, masks, shifts and sums of those have bounds here.
//
// Since Linux 6.11 the verifier also remembers that one register is another plus a constant, keeps
// that constant when the register is changed again, and refuses to add such a register to a packet
// pointer when the constant is large.  Copies of A may carry one, so it matters where X comes from.
//
// Source: Linux v6.18 kernel/bpf/verifier.c adjust_scalar_min_max_vals(), adjust_reg_min_max_vals()
// (BPF_ADD_CONST), check_reg_sane_offset().
// Tested by: passes_test.cc; by every program the differential tests load.

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

}  // namespace cbpfc

// SPDX-License-Identifier: BSD-3-Clause
//
// A fragment while it is being emitted: its instructions so far, the registers and labels that whoever
// emits a part of it needs.

#pragma once

#include <cbpfc/compile.h>

#include <string>

namespace cbpfc {

/// The comparison that holds exactly when `condition` does not.  Requires: not Cmp::Any, which has none.
ebpf::Cmp inverse(ebpf::Cmp condition);

class Fragment {
 public:
  /// `options` must outlive it.
  explicit Fragment(const EbpfOptions& fragment_options)
      : options(fragment_options),
        a(options.working[0]),
        x(options.working[1]),
        tmp(options.working[2]),
        base(options.working[3]),
        leaves_by_label(!options.match_label.empty()),
        no_match_(leaves_by_label ? options.no_match_label : options.label_prefix + "_no_match") {}

  const EbpfOptions& options;
  const ebpf::Reg a, x;        ///< kept zero-extended to 64 bits
  const ebpf::Reg tmp;         ///< holds nothing between two steps
  const ebpf::Reg base;        ///< the base pointer of loads relative to X
  const bool leaves_by_label;  ///< to match_label or no_match_label, without a value
  ebpf::Assembly code;

  /// Where a failed guard jumps.
  const std::string& no_match() {
    no_match_is_used_ = true;
    return no_match_;
  }

  /// Leaves for no match if the comparison holds.
  void leave_if(ebpf::Cmp condition, ebpf::Reg left, ebpf::Reg right);
  void leave_if(ebpf::Cmp condition, ebpf::Reg left, std::int32_t right);
  void leave_if32(ebpf::Cmp condition, ebpf::Reg left, std::uint32_t right);

  /// Whether leave_if() jumps to go on instead of to leave, see verifier_walk.h.
  void set_jumps_to_go_on(bool jumps) { jumps_to_go_on_ = jumps; }
  bool no_match_is_used() const { return no_match_is_used_; }
  void set_no_match(std::string label) { no_match_ = std::move(label); }

  /// dst = src + addend, so that the verifier does not see a copy: it ties a copy to its original, with
  /// the constant that is added to one of them later, applies what a comparison of one tells to the
  /// other, sometimes losing its bounds, and refuses to add such a register to a packet pointer when the
  /// constant is large (Linux 6.11, sync_linked_regs(), check_reg_sane_offset()).
  void copy_unseen(ebpf::Reg dst, ebpf::Reg src, std::uint32_t addend);

 private:
  /// Emits one of the above with a jump by `jump_if`, which takes a condition and a target.
  template <typename JumpIf>
  void leave(ebpf::Cmp condition, const JumpIf& jump_if);

  bool jumps_to_go_on_ = false;
  int labels_ = 0;
  std::string no_match_;
  bool no_match_is_used_ = false;
};

}  // namespace cbpfc

// SPDX-License-Identifier: BSD-3-Clause
//
// Writes classic programs whose jumps name labels:
//
//     ProgramWriter w;
//     const Label yes = w.new_label(), no = w.new_label();
//     w.add(cbpfc::LoadAbsolute{cbpfc::Size::Half, 12});
//     w.branch(cbpfc::Condition::Equal, {.k = 0x800}, yes, no);
//     w.place(yes); ...
//
// A conditional jump reaches 255 instructions.  Where one must go further it jumps to a `ja` behind
// it, as libpcap's do.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <vector>

namespace differential {

using Label = std::uint32_t;

class ProgramWriter {
 public:
  Label new_label();
  /// Names the next instruction.  Once for each label that is jumped to, behind all such jumps.
  void place(Label label);

  void add(const cbpfc::Insn& insn);
  void jump(Label target);
  void branch(cbpfc::Condition condition, cbpfc::Operand operand, Label if_true, Label if_false);

  /// Instructions so far; a branch counts as three.
  std::size_t size() const { return size_; }

  /// The program.  Requires: the last thing added returns, and at most kMaxClassicInsns instructions
  /// come out.
  std::vector<cbpfc::RawInsn> finish() const;

 private:
  struct Item {
    cbpfc::Insn insn;
    Label if_true = 0;   ///< of JumpIf and Jump
    Label if_false = 0;  ///< of JumpIf
    bool is_far = false;
  };

  std::vector<Item> items_;
  std::vector<std::size_t> labels_;  ///< index of the item each names
  std::size_t size_ = 0;
};

}  // namespace differential

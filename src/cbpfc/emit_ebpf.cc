// SPDX-License-Identifier: BSD-3-Clause
//
// Graph to eBPF with direct packet access.
//
// Registers: A, X, a temporary and the base pointer of loads relative to X are the four working
// registers, in that order.  A and X are kept zero-extended to 64 bits at all times, so comparisons
// with small constants may use either width.
//
//     guard p[..24]     tmp = start; tmp += 24; if tmp > end goto no_match
//     base = x + -6     w_base = -6; w_base += w_x; w_base += unknown 0; if base > limit goto no_match;
//                       base += start; tmp = base; tmp += proven_end; if tmp > end goto no_match
//     a = p16[12]       a = *(u16 *)(start + 12); a = be16 a
//
// Comparisons of A are 32 bits wide (Linux 5.1), so no constant needs a register.  Comparisons that
// bound an offset are 64 bits wide: older verifiers learn the bound of a 64-bit register only from
// those.
//
// A block's false branch falls through when it is the next block; conditions are inverted where the
// true one is.  There is no inverse of "any bit set", which takes a second jump then.
//
// Sources: Linux v6.18 kernel/bpf/verifier.c find_good_pkt_pointers(); net/core/filter.c
// bpf_convert_filter() for the meaning of division and shifts.
// Tested by: compile_ebpf_test.cc, differential/.

#include "emit_ebpf.h"

#include <fmt/format.h>

#include <cassert>
#include <limits>
#include <utility>

#include "overloaded.h"

namespace cbpfc {
namespace {

using ebpf::Reg;
using ebpf::Width;

Width width_of(Size size) {
  switch (size) {
    case Size::Byte: return Width::Byte;
    case Size::Half: return Width::Half;
    case Size::Word: return Width::Word;
  }
  return Width::Word;
}

ebpf::Cmp compare(Condition condition) {
  switch (condition) {
    case Condition::Equal: return ebpf::Cmp::Equal;
    case Condition::Greater: return ebpf::Cmp::Greater;
    case Condition::GreaterEqual: return ebpf::Cmp::GreaterEqual;
    case Condition::AnyBitSet: return ebpf::Cmp::Any;
  }
  return ebpf::Cmp::Equal;
}

/// The comparison that holds exactly when `condition` does not; AnyBitSet has none.
ebpf::Cmp inverse(Condition condition) {
  switch (condition) {
    case Condition::Equal: return ebpf::Cmp::NotEqual;
    case Condition::Greater: return ebpf::Cmp::LessEqual;
    case Condition::GreaterEqual: return ebpf::Cmp::Less;
    case Condition::AnyBitSet: break;
  }
  std::unreachable();
}

ebpf::Alu alu_op(AluOp op) {
  switch (op) {
    case AluOp::Add: return ebpf::Alu::Add;
    case AluOp::Sub: return ebpf::Alu::Sub;
    case AluOp::Mul: return ebpf::Alu::Mul;
    case AluOp::Div: return ebpf::Alu::Div;
    case AluOp::Or: return ebpf::Alu::Or;
    case AluOp::And: return ebpf::Alu::And;
    case AluOp::Lsh: return ebpf::Alu::Lsh;
    case AluOp::Rsh: return ebpf::Alu::Rsh;
    case AluOp::Mod: return ebpf::Alu::Mod;
    case AluOp::Xor: return ebpf::Alu::Xor;
  }
  std::unreachable();
}

class Emitter {
 public:
  Emitter(const Cfg& cfg, const EbpfOptions& options)
      : cfg_(cfg),
        options_(options),
        a_(options.working[0]),
        x_(options.working[1]),
        tmp_(options.working[2]),
        base_(options.working[3]),
        leaves_by_label_(!options.match_label.empty()),
        no_match_(leaves_by_label_ ? options.no_match_label : options.label_prefix + "_no_match") {
    if (!leaves_by_label_) {
      share_no_match();
    }
  }

  ebpf::Assembly run() {
    for (BlockId id = 0; id < cfg_.blocks.size(); ++id) {
      if (is_emitted(id)) {
        emit_block(id);
      }
    }
    if (no_match_used_ && !no_match_is_block_ && !leaves_by_label_) {
      code_.label(no_match_);
      emit_return(0);
    }
    return std::move(code_);
  }

 private:
  /// Lets guards jump to the filter's own `return 0` when that comes last, as libpcap's does.
  void share_no_match() {
    BlockId last = cfg_.blocks.size() - 1;
    while (!cfg_.blocks[last].reachable) {
      --last;  // ends: the entry is reachable
    }
    const Block& block = cfg_.blocks[last];
    const auto* constant = std::get_if<ReturnConstant>(&block.exit);
    if (block.steps.empty() && constant != nullptr && constant->value == 0) {
      no_match_ = label_of(last);
      no_match_is_block_ = true;
    }
  }

  /// Whether a block is nothing but a jump to one of the caller's two labels, which whoever comes to it
  /// can make.
  bool is_callers_label(BlockId id) const {
    const Block& block = cfg_.blocks[id];
    return leaves_by_label_ && block.steps.empty() &&
           std::holds_alternative<ReturnConstant>(block.exit);
  }

  bool is_emitted(BlockId id) const {
    return cfg_.blocks[id].reachable && (id == 0 || !is_callers_label(id));
  }

  std::string label_of(BlockId id) const {
    if (is_callers_label(id)) {
      return callers_label(std::get<ReturnConstant>(cfg_.blocks[id].exit).value);
    }
    return fmt::format("{}_{}", options_.label_prefix, id);
  }

  const std::string& callers_label(std::uint32_t value) const {
    return value != 0 ? options_.match_label : options_.no_match_label;
  }

  const std::string& no_match() {
    no_match_used_ = true;
    return no_match_;
  }

  Reg reg(Register r) const { return r == Register::A ? a_ : x_; }

  std::int16_t scratch_offset(std::uint8_t slot) const {
    return static_cast<std::int16_t>(-static_cast<int>(options_.stack_offset_bytes) -
                                     4 * (slot + 1));
  }

  /// The next block that will be emitted, or one behind the last.
  BlockId next_block(BlockId id) const {
    do {
      ++id;
    } while (id < cfg_.blocks.size() && !is_emitted(id));
    return id;
  }

  void emit_block(BlockId id) {
    const Block& block = cfg_.blocks[id];
    code_.label(fmt::format("{}_{}", options_.label_prefix, id));
    for (const Step& step : block.steps) {
      std::visit([&](const auto& s) { emit(s); }, step);
    }
    const BlockId next = next_block(id);
    std::visit(Overloaded{
                   [&](const Goto& e) {
                     if (e.target != next) {
                       code_.jump(label_of(e.target));
                     }
                   },
                   [&](const Branch& e) { emit_branch(e, next); },
                   [&](const ReturnA&) { emit_return_a(); },
                   [&](const ReturnConstant& e) { emit_return(e.value); },
               },
               block.exit);
  }

  void emit_return_a() {
    if (leaves_by_label_) {
      code_.jump_if32(ebpf::Cmp::Equal, a_, 0U, options_.no_match_label);
      code_.jump(options_.match_label);
      return;
    }
    if (options_.result != a_) {
      code_.add(ebpf::mov32(options_.result, a_));
    }
    code_.jump(options_.result_label);
  }

  void emit_return(std::uint32_t value) {
    if (leaves_by_label_) {
      code_.jump(callers_label(value));
      return;
    }
    code_.add(ebpf::mov32(options_.result, value));
    code_.jump(options_.result_label);
  }

  void emit_branch(const Branch& branch, BlockId next) {
    if (branch.if_true == next && branch.condition != Condition::AnyBitSet) {
      emit_compare(inverse(branch.condition), branch.operand, branch.if_false);
      return;
    }
    emit_compare(compare(branch.condition), branch.operand, branch.if_true);
    if (branch.if_false != next) {
      code_.jump(label_of(branch.if_false));
    }
  }

  void emit_compare(ebpf::Cmp condition, const Operand& operand, BlockId target) {
    if (operand.is_x) {
      code_.jump_if32(condition, a_, x_, label_of(target));
    } else {
      code_.jump_if32(condition, a_, operand.k, label_of(target));
    }
  }

  /// Loads big-endian bytes at `pointer` + `offset` into `dst`, as a number.
  void emit_load(Reg dst, Reg pointer, std::uint32_t offset, Size size) {
    if (offset > std::numeric_limits<std::int16_t>::max()) {
      code_.add(ebpf::mov(tmp_, pointer));
      code_.add(ebpf::alu(ebpf::Alu::Add, tmp_, static_cast<std::int32_t>(offset)));
      pointer = tmp_;
      offset = 0;
    }
    code_.add(ebpf::load(width_of(size), dst, pointer, static_cast<std::int16_t>(offset)));
    if (size != Size::Byte) {
      code_.add(ebpf::from_be(dst, 8 * static_cast<int>(size)));
    }
  }

  /// Leaves for no match unless `pointer` + `end` is inside the packet.
  void emit_end_check(Reg pointer, std::uint32_t end) {
    code_.add(ebpf::mov(tmp_, pointer));
    code_.add(ebpf::alu(ebpf::Alu::Add, tmp_, static_cast<std::int32_t>(end)));
    code_.jump_if(ebpf::Cmp::Greater, tmp_, options_.packet_end, no_match());
  }

  void emit(const LoadOpaque& s) {
    load_unknown_zero(reg(s.dst));
    code_.add(ebpf::alu32(ebpf::Alu::Add, reg(s.dst), s.value));
  }

  /// dst = 0, of which the verifier knows nothing but that it has 32 bits: the upper half of the packet's
  /// length, a difference of pointers, which it does not follow.
  void load_unknown_zero(Reg dst) {
    code_.add(ebpf::mov(dst, options_.packet_end));
    code_.add(ebpf::alu(ebpf::Alu::Sub, dst, options_.packet_start));
    code_.add(ebpf::alu(ebpf::Alu::Rsh, dst, 32));
  }

  void emit(const LoadImmediate& s) { code_.add(ebpf::mov32(reg(s.dst), s.value)); }
  void emit(const LoadAbsolute& s) { emit_load(a_, options_.packet_start, s.offset, s.size); }
  void emit(const LoadFromBase& s) { emit_load(a_, base_, s.offset, s.size); }
  void emit(const LoadIndirect&) { assert(false && "guard_packet leaves no LoadIndirect"); }

  void emit(const LoadHeaderLength& s) {
    emit_load(x_, options_.packet_start, s.offset, Size::Byte);
    code_.add(ebpf::alu32(ebpf::Alu::And, x_, 0xfU));
    code_.add(ebpf::alu32(ebpf::Alu::Lsh, x_, 2U));
  }

  void emit(const LoadLength& s) {
    const Reg dst = reg(s.dst);
    if (options_.packet_length) {
      code_.add(ebpf::mov32(dst, *options_.packet_length));
      return;
    }
    code_.add(ebpf::mov(dst, options_.packet_end));
    code_.add(ebpf::alu(ebpf::Alu::Sub, dst, options_.packet_start));
    code_.add(ebpf::mov32(dst, dst));  // the verifier knows nothing of a difference of pointers
  }

  void emit(const LoadScratch& s) {
    code_.add(ebpf::load(Width::Word, reg(s.dst), Reg::R10, scratch_offset(s.slot)));
  }
  void emit(const StoreScratch& s) {
    code_.add(ebpf::store(Width::Word, Reg::R10, scratch_offset(s.slot), reg(s.src)));
  }

  void emit(const Alu& s) {
    if (s.operand.is_x) {
      code_.add(ebpf::alu32(alu_op(s.op), a_, x_));
    } else {
      code_.add(ebpf::alu32(alu_op(s.op), a_, s.operand.k));
    }
  }
  void emit(const Negate&) { code_.add(ebpf::neg32(a_)); }
  void emit(const Transfer& s) {
    s.dst == Register::X ? copy_unseen(x_, a_, 0) : copy_unseen(a_, x_, 0);
  }

  /// dst = src + addend, so that the verifier does not see a copy: it ties a copy to its original, with
  /// the constant that is added to one of them later, applies what a comparison of one tells to the
  /// other, sometimes losing its bounds, and refuses to add such a register to a packet pointer when the
  /// constant is large (Linux 6.11, sync_linked_regs(), check_reg_sane_offset()).
  void copy_unseen(Reg dst, Reg src, std::uint32_t addend) {
    code_.add(ebpf::mov32(dst, addend));
    code_.add(ebpf::alu32(ebpf::Alu::Add, dst, src));
  }

  void emit(const AbsoluteGuard& s) { emit_end_check(options_.packet_start, s.end); }

  void emit(const IndirectGuard& s) {
    if (!s.keep_base) {
      if (s.x_is_small) {  // base is 0; a copy does no harm, the next instruction makes it a pointer
        code_.add(ebpf::mov32(base_, x_));
      } else {
        copy_unseen(base_, x_, s.base);
        // What the verifier knows of X's bits may contradict the limit.  It would then walk the branch
        // that cannot be taken, with a made-up value, and refuse that; so it forgets what it knows.
        load_unknown_zero(tmp_);
        code_.add(ebpf::alu32(ebpf::Alu::Add, base_, tmp_));
        const std::uint32_t limit = kMaxPacketOffset - options_.packet_start_offset_bytes;
        code_.jump_if(ebpf::Cmp::Greater, base_, static_cast<std::int32_t>(limit - s.proven_end),
                      no_match());
      }
      code_.add(ebpf::alu(ebpf::Alu::Add, base_, options_.packet_start));
    }
    emit_end_check(base_, s.proven_end);
  }

  void emit(const DivisorGuard&) { code_.jump_if32(ebpf::Cmp::Equal, x_, 0U, no_match()); }

  const Cfg& cfg_;
  const EbpfOptions& options_;
  Reg a_, x_, tmp_, base_;
  bool leaves_by_label_;  ///< to match_label or no_match_label, without a value
  std::string no_match_;
  bool no_match_is_block_ = false;
  bool no_match_used_ = false;
  ebpf::Assembly code_;
};

}  // namespace

ebpf::Assembly emit_ebpf(const Cfg& cfg, const EbpfOptions& options) {
  return Emitter(cfg, options).run();
}

}  // namespace cbpfc

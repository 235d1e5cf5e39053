// SPDX-License-Identifier: BSD-3-Clause
//
// Graph to eBPF: control flow and arithmetic.  What depends on the way to the packet is in
// packet_reader.h and the read_*.cc.
//
// Registers: A, X, a temporary and the base pointer of loads relative to X are the four working
// registers, in that order.  A and X are kept zero-extended to 64 bits at all times, so comparisons
// with small constants may use either width.
//
// Comparisons of A are 32 bits wide (Linux 5.1), so no constant needs a register.
//
// A block's false branch falls through when it is the next block; conditions are inverted where the
// true one is.  There is no inverse of "any bit set", which takes a second jump then.  In very long
// programs the verifier's order of walking decides (verifier_walk.h).
//
// Where the caller wants jumps to labels of its own instead of a value, a block that is nothing but a
// return is not emitted: whoever comes to it jumps to the label.
//
// Sources: Linux v6.18 net/core/filter.c bpf_convert_filter() for the meaning of division and shifts.
// Tested by: compile_ebpf_test.cc, differential/.

#include "emit_ebpf.h"

#include <fmt/format.h>

#include <utility>

#include "fragment.h"
#include "loop_code.h"
#include "overloaded.h"
#include "packet_reader.h"
#include "verifier_walk.h"

namespace cbpfc {
namespace {

using ebpf::Reg;

ebpf::Cmp compare(Condition condition) {
  switch (condition) {
    case Condition::Equal: return ebpf::Cmp::Equal;
    case Condition::Greater: return ebpf::Cmp::Greater;
    case Condition::GreaterEqual: return ebpf::Cmp::GreaterEqual;
    case Condition::AnyBitSet: return ebpf::Cmp::Any;
  }
  return ebpf::Cmp::Equal;
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

class EbpfEmitter {
 public:
  EbpfEmitter(const Cfg& cfg, const EbpfOptions& options)
      : cfg_(cfg), options_(options), fragment_(options), packet_(make_packet_reader(fragment_)) {
    if (!fragment_.leaves_by_label) {
      share_no_match();
    }
  }

  ebpf::Assembly run() {
    for (BlockId id = 0; id < cfg_.blocks.size(); ++id) {
      if (is_emitted(id)) {
        emit_block(id);
      }
    }
    if (fragment_.no_match_is_used() && !no_match_is_block_ && !fragment_.leaves_by_label) {
      code_.label(fragment_.no_match());
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
      fragment_.set_no_match(label_of(last));
      no_match_is_block_ = true;
    }
  }

  /// Whether a block is nothing but a jump to one of the caller's two labels, which whoever comes to it
  /// can make.
  bool is_callers_label(BlockId id) const {
    const Block& block = cfg_.blocks[id];
    return fragment_.leaves_by_label && block.steps.empty() &&
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

  Reg reg(Register r) const { return r == Register::A ? a_ : x_; }

  std::int16_t scratch_offset(std::uint8_t slot) const {
    return static_cast<std::int16_t>(-static_cast<int>(options_.stack_offset_bytes) -
                                     4 * (slot + 1));
  }

  /// For each block the next that will be emitted, or one behind the last.
  std::vector<BlockId> next_blocks() const {
    std::vector<BlockId> next(cfg_.blocks.size());
    BlockId behind = cfg_.blocks.size();
    for (BlockId id = cfg_.blocks.size(); id-- > 0;) {
      next[id] = behind;
      behind = is_emitted(id) ? id : behind;
    }
    return next;
  }

  void emit_block(BlockId id) {
    const Block& block = cfg_.blocks[id];
    current_ = id;
    fragment_.set_jumps_to_go_on(walk_.guards_jump_to_go_on(id));
    code_.label(fmt::format("{}_{}", options_.label_prefix, id));
    for (const Step& step : block.steps) {
      std::visit([&](const auto& s) { emit(s); }, step);
    }
    const BlockId next = next_[id];
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
    if (fragment_.leaves_by_label) {
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
    if (fragment_.leaves_by_label) {
      code_.jump(callers_label(value));
      return;
    }
    code_.add(ebpf::mov32(options_.result, value));
    code_.jump(options_.result_label);
  }

  void emit_branch(const Branch& branch, BlockId next) {
    const Arms arms = walk_.arms(current_);
    if (arms.later == branch.if_true) {
      emit_compare(compare(branch.condition), branch.operand, arms.later);
    } else if (branch.condition != Condition::AnyBitSet) {
      emit_compare(inverse(compare(branch.condition)), branch.operand, arms.later);
    } else {
      emit_if_no_bit_set(branch.operand, arms.later);
    }
    if (arms.first != next) {
      code_.jump(label_of(arms.first));
    }
  }

  void emit_compare(ebpf::Cmp condition, const Operand& operand, BlockId target) {
    if (operand.is_x) {
      code_.jump_if32(condition, a_, x_, label_of(target));
    } else {
      code_.jump_if32(condition, a_, operand.k, label_of(target));
    }
  }

  void emit_if_no_bit_set(const Operand& operand, BlockId target) {
    code_.add(ebpf::mov32(fragment_.tmp, a_));
    if (operand.is_x) {
      code_.add(ebpf::alu32(ebpf::Alu::And, fragment_.tmp, x_));
    } else {
      code_.add(ebpf::alu32(ebpf::Alu::And, fragment_.tmp, operand.k));
    }
    code_.jump_if32(ebpf::Cmp::Equal, fragment_.tmp, 0U, label_of(target));
  }

  void emit(const LoadOpaque& s) {
    packet_->load_unknown_zero(reg(s.dst));
    code_.add(ebpf::alu32(ebpf::Alu::Add, reg(s.dst), s.value));
  }

  void emit(const LoadImmediate& s) { code_.add(ebpf::mov32(reg(s.dst), s.value)); }
  void emit(const LoadAbsolute& s) { packet_->load(a_, s.offset, s.size); }
  void emit(const LoadFromBase& s) { packet_->load(s); }
  void emit(const LoadIndirect& s) { packet_->load(s); }

  void emit(const LoadHeaderLength& s) {
    packet_->load(x_, s.offset, Size::Byte);
    code_.add(ebpf::alu32(ebpf::Alu::And, x_, 0xfU));
    code_.add(ebpf::alu32(ebpf::Alu::Lsh, x_, 2U));
  }

  void emit(const LoadLength& s) {
    if (options_.packet_length) {
      code_.add(ebpf::mov32(reg(s.dst), *options_.packet_length));
    } else {
      packet_->load_length(reg(s.dst));
    }
  }

  void emit(const LoadScratch& s) {
    code_.add(ebpf::load(ebpf::Width::Word, reg(s.dst), Reg::R10, scratch_offset(s.slot)));
  }
  void emit(const StoreScratch& s) {
    code_.add(ebpf::store(ebpf::Width::Word, Reg::R10, scratch_offset(s.slot), reg(s.src)));
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
    s.dst == Register::X ? fragment_.copy_unseen(x_, a_, 0) : fragment_.copy_unseen(a_, x_, 0);
  }

  void emit(const LoadContext& s) {
    code_.add(ebpf::load(ebpf::Width::Word, a_, *options_.ancillary.context,
                         static_cast<std::int16_t>(s.offset)));
  }
  void emit(const CallHelper& s) {
    code_.add(ebpf::call(s.helper));
    code_.add(ebpf::mov32(a_, Reg::R0));
  }

  void emit(const StartLoop& s) {
    start_loop(fragment_, *packet_, s, label_of(std::get<Goto>(cfg_.blocks[current_].exit).target));
  }
  void emit(const CountTrip& s) { count_trip(fragment_, s); }

  void emit(const AbsoluteGuard& s) { packet_->guard(s); }
  void emit(const IndirectGuard& s) { packet_->guard(s); }
  void emit(const DivisorGuard&) { fragment_.leave_if32(ebpf::Cmp::Equal, x_, 0U); }

  const Cfg& cfg_;
  const EbpfOptions& options_;
  Fragment fragment_;
  std::unique_ptr<PacketReader> packet_;
  ebpf::Assembly& code_ = fragment_.code;
  const Reg a_ = fragment_.a;
  const Reg x_ = fragment_.x;
  const std::vector<BlockId> next_ = next_blocks();
  const VerifierWalk walk_{cfg_, next_};
  BlockId current_ = 0;  ///< the block that is being emitted
  bool no_match_is_block_ = false;
};

}  // namespace

ebpf::Assembly emit_ebpf(const Cfg& cfg, const EbpfOptions& options) {
  return EbpfEmitter(cfg, options).run();
}

}  // namespace cbpfc

// SPDX-License-Identifier: BSD-3-Clause
//
// struct sock_filter to Insn and back (up to fields the kernel ignores), and the checks that make a Filter: the same three, in the same order,
// as the kernel's, so that the first fault we name is the one the kernel stops at.
//
//     1. every instruction: known opcode, constants in range, jumps inside the program
//     2. the last instruction returns
//     3. no scratch slot is read before it is written, on the kernel's reading of the control flow
//
// For the compiler (Accept::Compiler) the second half of the first check is weaker: libpcap's ja may go
// backwards, though its conditional jumps cannot, and there is no limit on the length.
//
// Source: Linux v6.18 net/core/filter.c bpf_check_classic(), chk_code_allowed(),
// check_load_and_stores().
// Tested by: cbpf_decode_test.cc, and against SO_ATTACH_FILTER itself in
// verify/differential/accept_test.cc.

#include <cbpfc/cbpf.h>
#include <fmt/core.h>

#include <array>
#include <optional>
#include <string>

#include "base/overloaded.h"
#include "cbpfc/classic/classic_opcodes.h"
#include "cbpfc/classic/scratch_flow.h"

namespace cbpfc {
namespace {

std::unexpected<Error> invalid(std::string message) {
  return fail(Errc::InvalidProgram, std::move(message));
}

std::unexpected<Error> unknown_opcode(const RawInsn& raw) {
  return invalid(fmt::format("unknown opcode {:#04x}", raw.code));
}

std::optional<Size> load_size(std::uint16_t code) {
  switch (code & opcode::kSizeMask) {
    case opcode::kWord: return Size::Word;
    case opcode::kHalf: return Size::Half;
    case opcode::kByte: return Size::Byte;
    default: return std::nullopt;
  }
}

Result<Insn> decode_absolute(const RawInsn& raw, Size size) {
  if (raw.k < kAncillaryOffset) {
    return LoadAbsolute{.size = size, .offset = raw.k};
  }
  const std::uint32_t offset = raw.k - kAncillaryOffset;
  if (!is_ancillary_load(raw.k)) {
    return invalid(fmt::format("unknown ancillary load, SKF_AD_OFF + {}", offset));
  }
  return LoadAncillary{.size = size, .offset = offset};
}

Result<std::uint8_t> decode_slot(const RawInsn& raw) {
  if (raw.k >= kScratchSlots) {
    return invalid(fmt::format("scratch slot M[{}] does not exist, the last is M[{}]", raw.k,
                               kScratchSlots - 1));
  }
  return static_cast<std::uint8_t>(raw.k);
}

Result<Insn> decode_load(const RawInsn& raw) {
  const bool to_a = (raw.code & opcode::kClassMask) == opcode::kLd;
  const Register dst = to_a ? Register::A : Register::X;
  const std::optional<Size> size = load_size(raw.code);
  const int mode = raw.code & opcode::kModeMask;
  if (size == Size::Word && mode == opcode::kImm) {
    return LoadImmediate{.dst = dst, .value = raw.k};
  }
  if (size == Size::Word && mode == opcode::kLen) {
    return LoadLength{.dst = dst};
  }
  if (size == Size::Word && mode == opcode::kMem) {
    return LoadScratch{.dst = dst, .slot = TRY(decode_slot(raw))};
  }
  if (to_a && size && mode == opcode::kAbs) {
    return decode_absolute(raw, *size);
  }
  if (to_a && size && mode == opcode::kInd) {
    return LoadIndirect{.size = *size, .offset = raw.k};
  }
  if (!to_a && size == Size::Byte && mode == opcode::kMsh) {
    return LoadHeaderLength{.offset = raw.k};
  }
  return unknown_opcode(raw);
}

Result<Insn> decode_alu(const RawInsn& raw) {
  if (raw.code == (opcode::kAlu | opcode::kNeg)) {
    return Negate{};
  }
  const auto op = opcode::meaning_of<AluOp>(opcode::kAluOps, raw.code);
  if (!op) {
    return unknown_opcode(raw);
  }
  const bool is_x = (raw.code & opcode::kSourceX) != 0;
  if (!is_x && (*op == AluOp::Div || *op == AluOp::Mod) && raw.k == 0) {
    return invalid("division by the constant 0");
  }
  if (!is_x && (*op == AluOp::Lsh || *op == AluOp::Rsh) && raw.k >= 32) {
    return invalid(fmt::format("shift by {}, the largest is 31", raw.k));
  }
  return Alu{.op = *op, .operand = {.is_x = is_x, .k = is_x ? 0 : raw.k}};
}

Result<Insn> decode_jump(const RawInsn& raw) {
  if (raw.code == (opcode::kJmp | opcode::kJa)) {
    return Jump{.skip = raw.k};
  }
  const auto condition = opcode::meaning_of<Condition>(opcode::kConditions, raw.code);
  if (!condition) {
    return unknown_opcode(raw);
  }
  const bool is_x = (raw.code & opcode::kSourceX) != 0;
  return JumpIf{.condition = *condition,
                .operand = {.is_x = is_x, .k = is_x ? 0 : raw.k},
                .skip_true = raw.jt,
                .skip_false = raw.jf};
}

/// Whether a jump from instruction `pc` that goes backwards is allowed.
Result<void> check_backward(const Jump& jump, std::size_t pc, Accept accept) {
  const std::int64_t distance = static_cast<std::int32_t>(jump.skip);
  if (accept == Accept::Kernel) {
    return invalid(fmt::format("jump of {} goes backwards, which the kernel forbids", distance));
  }
  if (static_cast<std::int64_t>(pc) + 1 + distance < 0) {
    return invalid(fmt::format("jump of {} goes back beyond the program's start", distance));
  }
  return {};
}

/// Whether the jumps of instruction `pc` stay inside a program of `count` instructions.
Result<void> check_jumps(const Insn& insn, std::size_t pc, std::size_t count, Accept accept) {
  const std::size_t reach = count - pc - 1;
  const auto check = [&](std::uint32_t skip) -> Result<void> {
    return skip < reach ? Result<void>()
                        : invalid(fmt::format("jump over {} leaves the program of {} instructions",
                                              skip, count));
  };
  if (const auto* jump = std::get_if<Jump>(&insn)) {
    return jump->is_backward() && jump->skip >= reach ? check_backward(*jump, pc, accept)
                                                      : check(jump->skip);
  }
  if (const auto* branch = std::get_if<JumpIf>(&insn)) {
    TRY(check(branch->skip_true));
    TRY(check(branch->skip_false));
  }
  return {};
}

Result<Insn> decode_at(std::span<const RawInsn> raw, std::size_t pc, Accept accept) {
  const Insn insn = TRY(decode_insn(raw[pc]));
  TRY(check_jumps(insn, pc, raw.size(), accept));
  return insn;
}

std::uint16_t size_bits(Size size) {
  switch (size) {
    case Size::Byte: return opcode::kByte;
    case Size::Half: return opcode::kHalf;
    case Size::Word: return opcode::kWord;
  }
  return opcode::kWord;
}

RawInsn raw(int code, std::uint32_t k = 0) {
  return RawInsn{.code = static_cast<std::uint16_t>(code), .k = k};
}

int load_class(Register dst) {
  return dst == Register::A ? opcode::kLd : opcode::kLdx;
}
int source_bit(const Operand& operand) {
  return operand.is_x ? opcode::kSourceX : 0;
}

}  // namespace

Result<Insn> decode_insn(const RawInsn& raw) {
  switch (raw.code) {
    case opcode::kSt:
    case opcode::kStx:
      return StoreScratch{.src = raw.code == opcode::kSt ? Register::A : Register::X,
                          .slot = TRY(decode_slot(raw))};
    case opcode::kRet | opcode::kReturnsA: return ReturnA{};
    case opcode::kRet: return ReturnConstant{.value = raw.k};
    case opcode::kMisc | opcode::kTax: return Transfer{.dst = Register::X};
    case opcode::kMisc | opcode::kTxa: return Transfer{.dst = Register::A};
    default: break;
  }
  if (raw.code <= 0xff) {
    switch (raw.code & opcode::kClassMask) {
      case opcode::kLd:
      case opcode::kLdx: return decode_load(raw);
      case opcode::kAlu: return decode_alu(raw);
      case opcode::kJmp: return decode_jump(raw);
      default: break;
    }
  }
  return unknown_opcode(raw);
}

Result<Filter> Filter::decode(std::span<const RawInsn> raw, Accept accept) {
  if (raw.empty()) {
    return invalid("the program has no instructions");
  }
  if (accept == Accept::Kernel && raw.size() > kMaxClassicInsns) {
    return invalid(fmt::format("the program has {} instructions, the kernel takes at most {}",
                               raw.size(), kMaxClassicInsns));
  }
  std::vector<Insn> insns;
  insns.reserve(raw.size());
  for (std::size_t pc = 0; pc < raw.size(); ++pc) {
    insns.push_back(
        TRY(decode_at(raw, pc, accept).with_context(fmt::format("instruction {}", pc))));
  }
  if (!std::holds_alternative<ReturnA>(insns.back()) &&
      !std::holds_alternative<ReturnConstant>(insns.back())) {
    return invalid(
        fmt::format("instruction {}: the last instruction does not return", raw.size() - 1));
  }
  if (const auto reads = unset_scratch_reads(raw); !reads.empty()) {
    return invalid(
        fmt::format("instruction {}: reads scratch slot M[{}], which not every path has written",
                    reads.front().pc, reads.front().slot));
  }
  return Filter(std::move(insns));
}

std::optional<std::size_t> Filter::first_backward_jump() const {
  for (std::size_t pc = 0; pc < insns_.size(); ++pc) {
    if (const auto* jump = std::get_if<Jump>(&insns_[pc]); jump != nullptr && jump->is_backward()) {
      return pc;
    }
  }
  return std::nullopt;
}

RawInsn encode_insn(const Insn& insn) {
  return std::visit(
      Overloaded{
          [](const LoadImmediate& i) { return raw(load_class(i.dst) | opcode::kImm, i.value); },
          [](const LoadAbsolute& i) {
            return raw(opcode::kLd | opcode::kAbs | size_bits(i.size), i.offset);
          },
          [](const LoadIndirect& i) {
            return raw(opcode::kLd | opcode::kInd | size_bits(i.size), i.offset);
          },
          [](const LoadHeaderLength& i) {
            return raw(opcode::kLdx | opcode::kMsh | opcode::kByte, i.offset);
          },
          [](const LoadLength& i) { return raw(load_class(i.dst) | opcode::kLen); },
          [](const LoadAncillary& i) {
            return raw(opcode::kLd | opcode::kAbs | size_bits(i.size), kAncillaryOffset + i.offset);
          },
          [](const LoadScratch& i) { return raw(load_class(i.dst) | opcode::kMem, i.slot); },
          [](const StoreScratch& i) {
            return raw(i.src == Register::A ? opcode::kSt : opcode::kStx, i.slot);
          },
          [](const Alu& i) {
            return raw(opcode::kAlu | opcode::kAluOps[static_cast<std::size_t>(i.op)] |
                           source_bit(i.operand),
                       i.operand.k);
          },
          [](const Negate&) { return raw(opcode::kAlu | opcode::kNeg); },
          [](const Transfer& i) {
            return raw(opcode::kMisc | (i.dst == Register::X ? opcode::kTax : opcode::kTxa));
          },
          [](const Jump& i) { return raw(opcode::kJmp | opcode::kJa, i.skip); },
          [](const JumpIf& i) {
            RawInsn out =
                raw(opcode::kJmp | opcode::kConditions[static_cast<std::size_t>(i.condition)] |
                        source_bit(i.operand),
                    i.operand.k);
            out.jt = i.skip_true;
            out.jf = i.skip_false;
            return out;
          },
          [](const ReturnA&) { return raw(opcode::kRet | opcode::kReturnsA); },
          [](const ReturnConstant& i) { return raw(opcode::kRet, i.value); },
      },
      insn);
}

std::vector<RawInsn> Filter::encode() const {
  std::vector<RawInsn> raw_insns;
  raw_insns.reserve(insns_.size());
  for (const Insn& insn : insns_) {
    raw_insns.push_back(encode_insn(insn));
  }
  return raw_insns;
}

}  // namespace cbpfc

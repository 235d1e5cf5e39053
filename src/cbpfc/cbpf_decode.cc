// SPDX-License-Identifier: BSD-3-Clause
//
// struct sock_filter to Insn, and the checks that make a Filter: the same three, in the same order,
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
// differential/accept_test.cc.

#include <cbpfc/cbpf.h>
#include <fmt/format.h>

#include <array>
#include <optional>
#include <string>

#include "classic_opcodes.h"
#include "scratch_flow.h"

namespace cbpfc {
namespace {

std::unexpected<Error> invalid(std::string message) {
  return fail(Errc::InvalidProgram, std::move(message));
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

Result<Insn> decode_load(const RawInsn& raw) {
  const std::optional<Size> size = load_size(raw.code);
  const bool is_word = size == Size::Word;
  switch (raw.code & opcode::kModeMask) {
    case opcode::kAbs:
      if (size) {
        return decode_absolute(raw, *size);
      }
      break;
    case opcode::kInd:
      if (size) {
        return LoadIndirect{.size = *size, .offset = raw.k};
      }
      break;
    case opcode::kImm:
      if (is_word) {
        return LoadImmediate{.dst = Register::A, .value = raw.k};
      }
      break;
    case opcode::kLen:
      if (is_word) {
        return LoadLength{.dst = Register::A};
      }
      break;
    default: break;
  }
  return invalid(fmt::format("unknown opcode {:#04x}", raw.code));
}

Result<Insn> decode_load_x(const RawInsn& raw) {
  switch (raw.code) {
    case opcode::kLdx | opcode::kImm: return LoadImmediate{.dst = Register::X, .value = raw.k};
    case opcode::kLdx | opcode::kLen: return LoadLength{.dst = Register::X};
    case opcode::kLdx | opcode::kMsh | opcode::kByte: return LoadHeaderLength{.offset = raw.k};
    default: return invalid(fmt::format("unknown opcode {:#04x}", raw.code));
  }
}

Result<Insn> decode_scratch(const RawInsn& raw) {
  if (raw.k >= kScratchSlots) {
    return invalid(fmt::format("scratch slot M[{}] does not exist, the last is M[{}]", raw.k,
                               kScratchSlots - 1));
  }
  const auto slot = static_cast<std::uint8_t>(raw.k);
  switch (raw.code) {
    case opcode::kLd | opcode::kMem: return LoadScratch{.dst = Register::A, .slot = slot};
    case opcode::kLdx | opcode::kMem: return LoadScratch{.dst = Register::X, .slot = slot};
    case opcode::kSt: return StoreScratch{.src = Register::A, .slot = slot};
    default: return StoreScratch{.src = Register::X, .slot = slot};
  }
}

Result<Insn> decode_alu(const RawInsn& raw) {
  if (raw.code == (opcode::kAlu | opcode::kNeg)) {
    return Negate{};
  }
  const auto op = opcode::alu_op(raw.code & opcode::kOpMask);
  if (!op) {
    return invalid(fmt::format("unknown opcode {:#04x}", raw.code));
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
  const auto condition = opcode::condition(raw.code & opcode::kOpMask);
  if (!condition) {
    return invalid(fmt::format("unknown opcode {:#04x}", raw.code));
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
  if (const auto* jump = std::get_if<Jump>(&insn); jump != nullptr && jump->skip >= reach) {
    if (jump->is_backward()) {
      return check_backward(*jump, pc, accept);
    }
    return invalid(
        fmt::format("jump over {} leaves the program of {} instructions", jump->skip, count));
  }
  if (const auto* branch = std::get_if<JumpIf>(&insn)) {
    for (const std::size_t skip : {branch->skip_true, branch->skip_false}) {
      if (skip >= reach) {
        return invalid(
            fmt::format("jump over {} leaves the program of {} instructions", skip, count));
      }
    }
  }
  return {};
}

Result<Insn> decode_at(std::span<const RawInsn> raw, std::size_t pc, Accept accept) {
  const Insn insn = TRY(decode_insn(raw[pc]));
  TRY(check_jumps(insn, pc, raw.size(), accept));
  return insn;
}

}  // namespace

Result<Insn> decode_insn(const RawInsn& raw) {
  switch (raw.code) {
    case opcode::kLd | opcode::kMem:
    case opcode::kLdx | opcode::kMem:
    case opcode::kSt:
    case opcode::kStx: return decode_scratch(raw);
    case opcode::kRet | opcode::kReturnsA: return ReturnA{};
    case opcode::kRet: return ReturnConstant{.value = raw.k};
    case opcode::kMisc | opcode::kTax: return Transfer{.dst = Register::X};
    case opcode::kMisc | opcode::kTxa: return Transfer{.dst = Register::A};
    default: break;
  }
  if (raw.code <= 0xff) {
    switch (raw.code & opcode::kClassMask) {
      case opcode::kLd: return decode_load(raw);
      case opcode::kLdx: return decode_load_x(raw);
      case opcode::kAlu: return decode_alu(raw);
      case opcode::kJmp: return decode_jump(raw);
      default: break;
    }
  }
  return invalid(fmt::format("unknown opcode {:#04x}", raw.code));
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
    Result<Insn> insn = decode_at(raw, pc, accept);
    if (!insn) {
      return std::unexpected(
          std::move(insn).with_context(fmt::format("instruction {}", pc)).error());
    }
    insns.push_back(*insn);
  }
  if (!std::holds_alternative<ReturnA>(insns.back()) &&
      !std::holds_alternative<ReturnConstant>(insns.back())) {
    return invalid(
        fmt::format("instruction {}: the last instruction does not return", raw.size() - 1));
  }
  // The jumps have been checked, so the walk has an answer.
  if (const auto reads = unset_scratch_reads(raw); reads && !reads->empty()) {
    return invalid(
        fmt::format("instruction {}: reads scratch slot M[{}], which not every path has written",
                    reads->front().pc, reads->front().slot));
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

}  // namespace cbpfc

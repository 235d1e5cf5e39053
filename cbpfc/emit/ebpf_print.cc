// SPDX-License-Identifier: BSD-3-Clause
//
// A listing in the notation of the kernel's verifier: "   3: (69) r4 = *(u16 *)(r2 + 12)".
//
// Source: Linux v6.18 kernel/bpf/disasm.c print_bpf_insn().
// Tested by: ebpf_test.cc.

#include <cbpfc/ebpf.h>
#include <fmt/core.h>

#include <array>
#include <iterator>

#include "cbpfc/emit/ebpf_opcodes.h"

namespace cbpfc::ebpf {
namespace {

int destination(const Insn& insn) {
  return insn.registers & 0xf;
}
int source(const Insn& insn) {
  return insn.registers >> 4;
}

/// By the operation's bits.
constexpr std::array<std::string_view, 16> kAluSymbols = {"+=",   "-=",  "*=", "/=", "|=", "&=",
                                                          "<<=",  ">>=", "?=", "%=", "^=", "=",
                                                          "s>>=", "?=",  "?=", "?="};
constexpr std::array<std::string_view, 16> kCmpSymbols = {
    "?", "==", ">", ">=", "&", "!=", "?", "?", "?", "?", "<", "<=", "?", "?", "?", "?"};

std::string_view width_name(int opcode) {
  constexpr std::array<std::string_view, 4> kNames = {"u32", "u16", "u8", "u64"};
  return kNames[static_cast<std::size_t>(opcode & opcode::kSizeMask) >> 3];
}

/// The number of an operation in a table by bits.
std::size_t operation(const Insn& insn) {
  return insn.opcode >> 4;
}

std::string right_side(const Insn& insn, char prefix) {
  return (insn.opcode & opcode::kSourceReg) != 0 ? fmt::format("{}{}", prefix, source(insn))
                                                 : fmt::format("{}", insn.immediate);
}

std::string print_alu(const Insn& insn) {
  const char prefix = (insn.opcode & opcode::kClassMask) == opcode::kAlu64 ? 'r' : 'w';
  const int op = insn.opcode & opcode::kOpMask;
  const int dst = destination(insn);
  if (op == opcode::kEnd) {
    return fmt::format("r{0} = be{1} r{0}", dst, insn.immediate);
  }
  if (op == opcode::kNeg) {
    return fmt::format("{0}{1} = -{0}{1}", prefix, dst);
  }
  return fmt::format("{}{} {} {}", prefix, dst, kAluSymbols[operation(insn)],
                     right_side(insn, prefix));
}

std::string print_jump(const Insn& insn) {
  const char prefix = (insn.opcode & opcode::kClassMask) == opcode::kJmp ? 'r' : 'w';
  switch (insn.opcode & opcode::kOpMask) {
    case opcode::kCall:
      return fmt::format("{} {}", insn.registers == 0 ? "call" : "call kernel function",
                         insn.immediate);
    case opcode::kExit: return "exit";
    case opcode::kJa: return fmt::format("goto pc{:+}", insn.offset);
    case opcode::kJcond: return fmt::format("may_goto pc{:+}", insn.offset);
    default:
      return fmt::format("if {}{} {} {} goto pc{:+}", prefix, destination(insn),
                         kCmpSymbols[operation(insn)], right_side(insn, prefix), insn.offset);
  }
}

std::string print_atomic(const Insn& insn) {
  const std::string place =
      fmt::format("*({} *)(r{} {:+})", width_name(insn.opcode), destination(insn), insn.offset);
  switch (static_cast<Atomic>(insn.immediate)) {
    case Atomic::Add: return fmt::format("lock {} += r{}", place, source(insn));
    case Atomic::FetchAdd: return fmt::format("r{0} = lock fetch {1} += r{0}", source(insn), place);
    case Atomic::CompareExchange:
      return fmt::format("r0 = lock compare {} with r0, exchange r{}", place, source(insn));
  }
  return fmt::format("{:#x}", insn.immediate);  // not an instruction this library makes
}

std::string print_insn(const Insn& insn) {
  switch (insn.opcode & opcode::kClassMask) {
    case opcode::kLdx:
      return fmt::format("r{} = *({} *)(r{} {:+})", destination(insn), width_name(insn.opcode),
                         source(insn), insn.offset);
    case opcode::kSt:
      return fmt::format("*({} *)(r{} {:+}) = {}", width_name(insn.opcode), destination(insn),
                         insn.offset, insn.immediate);
    case opcode::kStx:
      if ((insn.opcode & opcode::kModeMask) == opcode::kAtomic) {
        return print_atomic(insn);
      }
      return fmt::format("*({} *)(r{} {:+}) = r{}", width_name(insn.opcode), destination(insn),
                         insn.offset, source(insn));
    case opcode::kAlu32:
    case opcode::kAlu64: return print_alu(insn);
    case opcode::kJmp:
    case opcode::kJmp32: return print_jump(insn);
    default: return fmt::format("{:#x}", insn.immediate);  // not an instruction this library makes
  }
}

/// The load of 64 bits that two instructions make.
std::string print_wide_load(const Insn& low, const Insn& high) {
  if (source(low) == static_cast<int>(opcode::kPseudoMapFd)) {
    return fmt::format("r{} = map[fd:{}]", destination(low), low.immediate);
  }
  if (source(low) == static_cast<int>(opcode::kPseudoMapValue)) {
    return fmt::format("r{} = map[fd:{}][0]+{}", destination(low), low.immediate, high.immediate);
  }
  const std::uint64_t value = std::uint64_t{static_cast<std::uint32_t>(high.immediate)} << 32 |
                              static_cast<std::uint32_t>(low.immediate);
  return fmt::format("r{} = {:#x}", destination(low), value);
}

}  // namespace

std::string print(const std::vector<Insn>& insns) {
  std::string text;
  for (std::size_t pc = 0; pc < insns.size(); ++pc) {
    const bool is_wide = insns[pc].opcode == opcode::kLoadImm64 && pc + 1 < insns.size();
    fmt::format_to(std::back_inserter(text), "{:4}: ({:02x}) {}\n", pc, insns[pc].opcode,
                   is_wide ? print_wide_load(insns[pc], insns[pc + 1]) : print_insn(insns[pc]));
    pc += is_wide ? 1 : 0;  // the second half prints nothing
  }
  return text;
}

}  // namespace cbpfc::ebpf

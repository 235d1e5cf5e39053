// SPDX-License-Identifier: BSD-3-Clause

#include "verify/prove/tests/mutant.h"

#include <array>

#include "cbpfc/emit/ebpf_opcodes.h"

namespace cbpfc::prove {
namespace {

namespace opcode = ebpf::opcode;
using ebpf::Insn;

int class_of(const Insn& insn) {
  return insn.opcode & opcode::kClassMask;
}
bool is_jump_class(const Insn& insn) {
  return class_of(insn) == opcode::kJmp || class_of(insn) == opcode::kJmp32;
}
bool is_alu(const Insn& insn) {
  return class_of(insn) == opcode::kAlu32 || class_of(insn) == opcode::kAlu64;
}
bool is_memory(const Insn& insn) {
  return class_of(insn) == opcode::kLdx || class_of(insn) == opcode::kStx ||
         class_of(insn) == opcode::kSt;
}
bool jumps(const Insn& insn) {
  const int op = insn.opcode & opcode::kOpMask;
  return is_jump_class(insn) && op != opcode::kCall && op != opcode::kExit;
}
bool compares(const Insn& insn) {
  return jumps(insn) && (insn.opcode & opcode::kOpMask) != opcode::kJa;
}

template <std::size_t N>
int pick(const std::array<int, N>& values, std::mt19937_64& random) {
  return values[random() % N];
}

bool change_immediate(Insn& insn, std::mt19937_64& random) {
  const bool has_one =
      insn.opcode == opcode::kLoadImm64 ||
      ((is_alu(insn) || compares(insn)) && (insn.opcode & opcode::kSourceReg) == 0);
  if (!has_one) {
    return false;
  }
  const auto old = static_cast<std::uint32_t>(insn.immediate);
  std::uint32_t changed = old;
  switch (random() % 5) {
    case 0: changed = old + 1; break;
    case 1: changed = old - 1; break;
    case 2: changed = old ^ 1U << random() % 32; break;
    case 3: changed = static_cast<std::uint32_t>(random()); break;
    default: changed = __builtin_bswap32(old); break;
  }
  insn.immediate = static_cast<std::int32_t>(changed);
  return true;
}

bool change_offset(Insn& insn, std::mt19937_64& random) {
  if (!is_memory(insn)) {
    return false;
  }
  static constexpr std::array kSteps = {-4, -2, -1, 1, 2, 4};
  insn.offset = static_cast<std::int16_t>(insn.offset + pick(kSteps, random));
  return true;
}

bool change_width(Insn& insn, std::mt19937_64& random) {
  if (is_memory(insn)) {
    static constexpr std::array kWidths = {0x00, 0x08, 0x10, 0x18};
    insn.opcode =
        static_cast<std::uint8_t>((insn.opcode & ~opcode::kSizeMask) | pick(kWidths, random));
    return true;
  }
  if (is_alu(insn) && (insn.opcode & opcode::kOpMask) == opcode::kEnd) {
    static constexpr std::array kBits = {16, 32, 64};
    insn.immediate = pick(kBits, random);
    return true;
  }
  if (is_alu(insn)) {
    insn.opcode ^= opcode::kAlu32 ^ opcode::kAlu64;
    return true;
  }
  if (compares(insn)) {
    insn.opcode ^= opcode::kJmp ^ opcode::kJmp32;
    return true;
  }
  return false;
}

bool change_operation(Insn& insn, std::mt19937_64& random) {
  static constexpr std::array kConditions = {0x10, 0x20, 0x30, 0x40, 0x50, 0x60,
                                             0x70, 0xa0, 0xb0, 0xc0, 0xd0};
  static constexpr std::array kOperations = {0x00, 0x10, 0x20, 0x30, 0x40, 0x50,
                                             0x60, 0x70, 0x90, 0xa0, 0xb0, 0xc0};
  const int op = insn.opcode & opcode::kOpMask;
  if (is_alu(insn) && op != opcode::kEnd && op != opcode::kNeg) {
    insn.opcode =
        static_cast<std::uint8_t>((insn.opcode & ~opcode::kOpMask) | pick(kOperations, random));
    return true;
  }
  if (compares(insn)) {
    insn.opcode =
        static_cast<std::uint8_t>((insn.opcode & ~opcode::kOpMask) | pick(kConditions, random));
    return true;
  }
  return false;
}

bool change_register(Insn& insn, std::mt19937_64& random) {
  const auto reg = static_cast<std::uint8_t>(random() % 10);
  if (random() % 2 == 0) {
    insn.registers = static_cast<std::uint8_t>((insn.registers & 0xf0) | reg);
  } else {
    insn.registers = static_cast<std::uint8_t>((insn.registers & 0x0f) | reg << 4);
  }
  return insn.opcode != opcode::kLoadImm64;
}

bool change_target(Insn& insn, std::size_t at, std::size_t size, std::mt19937_64& random) {
  if (!jumps(insn)) {
    return false;
  }
  if (random() % 2 == 0) {
    insn.offset = static_cast<std::int16_t>(insn.offset + (random() % 2 == 0 ? 1 : -1));
  } else {
    insn.offset = static_cast<std::int16_t>(static_cast<std::ptrdiff_t>(random() % size) -
                                            static_cast<std::ptrdiff_t>(at));
  }
  return true;
}

/// Does nothing: jumps to the next instruction.
constexpr Insn kNothing = {.opcode = opcode::kJmp | opcode::kJa};

}  // namespace

std::optional<Mutant> mutate(std::span<const Insn> insns, std::mt19937_64& random) {
  Mutant mutant{.insns = {insns.begin(), insns.end()}, .what = {}, .at = random() % insns.size()};
  Insn& insn = mutant.insns[mutant.at];
  const bool second_half = insn.opcode == 0;
  if (second_half) {
    return std::nullopt;
  }
  bool changed = false;
  const auto attempt = [&](const char* what, bool possible) {
    mutant.what = what;
    changed = possible;
  };
  switch (random() % 8) {
    case 0:
    case 1: attempt("constant", change_immediate(insn, random)); break;
    case 2: attempt("offset", change_offset(insn, random)); break;
    case 3: attempt("width", change_width(insn, random)); break;
    case 4: attempt("operation or condition", change_operation(insn, random)); break;
    case 5: attempt("register", change_register(insn, random)); break;
    case 6: attempt("jump target", change_target(insn, mutant.at, insns.size(), random)); break;
    default:
      attempt("dropped", insn.opcode != opcode::kLoadImm64);
      insn = kNothing;
      break;
  }
  if (!changed || insn == insns[mutant.at]) {
    return std::nullopt;
  }
  return mutant;
}

}  // namespace cbpfc::prove

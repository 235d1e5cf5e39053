// SPDX-License-Identifier: BSD-3-Clause
//
// Source: Linux v6.18 Documentation/bpf/standardization/instruction-set.rst; kernel/bpf/verifier.c
// check_alu_op() for what is refused.
// Tested by: ebpf_interpret_test.cc.

#include "verify/interpreter/ebpf_numbers.h"

#include <fmt/core.h>

#include "cbpfc/emit/ebpf_opcodes.h"

namespace cbpfc::ebpf {
namespace {

std::uint64_t byte_swap(std::uint64_t value, unsigned bits) {
  std::uint64_t swapped = 0;
  for (unsigned i = 0; i < bits; i += 8) {
    swapped = swapped << 8 | (value >> i & 0xff);
  }
  return swapped;
}

std::uint64_t shift_signed(std::uint64_t value, std::uint64_t shift, unsigned width) {
  return width == 64 ? static_cast<std::uint64_t>(static_cast<std::int64_t>(value) >> shift)
                     : static_cast<std::uint32_t>(static_cast<std::int32_t>(value) >> shift);
}

std::int64_t as_signed(std::uint64_t value, bool wide) {
  return wide ? static_cast<std::int64_t>(value)
              : std::int64_t{static_cast<std::int32_t>(static_cast<std::uint32_t>(value))};
}

/// Why a constant right side is refused, if it is.
std::string refusal_of_constant(Alu op, std::uint64_t right, unsigned width) {
  if ((op == Alu::Lsh || op == Alu::Rsh || op == Alu::Arsh) && right >= width) {
    return fmt::format("shifts {} bits by {}", width, right);
  }
  if ((op == Alu::Div || op == Alu::Mod) && right == 0) {
    return "divides by the constant 0";
  }
  return {};
}

}  // namespace

std::string unknown_opcode(const Insn& insn) {
  return fmt::format("unknown opcode 0x{:02x}", insn.opcode);
}

bool is_64(const Insn& insn) {
  return (insn.opcode & opcode::kClassMask) == opcode::kAlu64;
}

std::uint64_t low_bits(std::uint64_t value, unsigned bits) {
  return bits == 64 ? value : value & ((std::uint64_t{1} << bits) - 1);
}

std::uint64_t load_le(std::span<const std::uint8_t> bytes) {
  std::uint64_t loaded = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) {
    loaded = loaded << 8 | bytes[i - 1];
  }
  return loaded;
}

OrReason<std::uint64_t> compute(const Insn& insn, std::uint64_t left, std::uint64_t right) {
  const int op = insn.opcode & opcode::kOpMask;
  const unsigned width = is_64(insn) ? 64 : 32;
  const std::uint64_t a = low_bits(left, width);
  const std::uint64_t b = low_bits(right, width);
  const std::uint64_t shift = b & (width - 1);
  if (op == opcode::kNeg) {
    return low_bits(-a, width);
  }
  if ((insn.opcode & opcode::kSourceReg) == 0) {
    std::string refusal = refusal_of_constant(static_cast<Alu>(op), b, width);
    if (!refusal.empty()) {
      return std::unexpected(std::move(refusal));
    }
  }
  switch (static_cast<Alu>(op)) {
    case Alu::Add: return low_bits(a + b, width);
    case Alu::Sub: return low_bits(a - b, width);
    case Alu::Mul: return low_bits(a * b, width);
    case Alu::Div: return b == 0 ? 0 : a / b;
    case Alu::Or: return a | b;
    case Alu::And: return a & b;
    case Alu::Lsh: return low_bits(a << shift, width);
    case Alu::Rsh: return a >> shift;
    case Alu::Mod: return b == 0 ? a : a % b;
    case Alu::Xor: return a ^ b;
    case Alu::Arsh: return shift_signed(a, shift, width);
    case Alu::Mov: break;
  }
  return std::unexpected(unknown_opcode(insn));
}

OrReason<std::uint64_t> swap_bytes(const Insn& insn, std::uint64_t value) {
  const auto bits = static_cast<unsigned>(insn.immediate);
  const bool to_big = (insn.opcode & opcode::kToBigEndian) != 0;
  if ((bits != 16 && bits != 32 && bits != 64) || (is_64(insn) && to_big)) {
    return std::unexpected(unknown_opcode(insn));
  }
  return is_64(insn) || to_big ? byte_swap(value, bits) : low_bits(value, bits);
}

OrReason<bool> compare(const Insn& insn, std::uint64_t left, std::uint64_t right) {
  const bool wide = (insn.opcode & opcode::kClassMask) == opcode::kJmp;
  const std::uint64_t a = low_bits(left, wide ? 64 : 32);
  const std::uint64_t b = low_bits(right, wide ? 64 : 32);
  switch (insn.opcode & opcode::kOpMask) {
    case static_cast<int>(Cmp::Equal): return a == b;
    case static_cast<int>(Cmp::Greater): return a > b;
    case static_cast<int>(Cmp::GreaterEqual): return a >= b;
    case static_cast<int>(Cmp::Any): return (a & b) != 0;
    case static_cast<int>(Cmp::NotEqual): return a != b;
    case static_cast<int>(Cmp::Less): return a < b;
    case static_cast<int>(Cmp::LessEqual): return a <= b;
    case opcode::kSignedGreater: return as_signed(a, wide) > as_signed(b, wide);
    case opcode::kSignedGreaterEqual: return as_signed(a, wide) >= as_signed(b, wide);
    case opcode::kSignedLess: return as_signed(a, wide) < as_signed(b, wide);
    case opcode::kSignedLessEqual: return as_signed(a, wide) <= as_signed(b, wide);
    default: return std::unexpected(unknown_opcode(insn));
  }
}

}  // namespace cbpfc::ebpf

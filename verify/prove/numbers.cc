// SPDX-License-Identifier: BSD-3-Clause
//
// Source: Linux v6.18 Documentation/bpf/standardization/instruction-set.rst.
// Tested by: numbers_test.cc, against the interpreter.

#include "verify/prove/numbers.h"

#include <fmt/core.h>

#include "cbpfc/emit/ebpf_opcodes.h"

namespace cbpfc::prove {
namespace {

namespace opcode = ebpf::opcode;
using ebpf::Alu;

std::unexpected<std::string> unknown(const ebpf::Insn& insn) {
  return std::unexpected(fmt::format("unknown opcode 0x{:02x}", insn.opcode));
}

z3::expr if_zero(const z3::expr& divisor, const z3::expr& then, const z3::expr& otherwise) {
  return divisor.is_numeral() ? otherwise : z3::ite(divisor == 0, then, otherwise);
}

/// `left` op `right` on the width of both.
std::expected<z3::expr, std::string> operate(Terms& terms, const ebpf::Insn& insn,
                                             const z3::expr& left, const z3::expr& right) {
  const unsigned width = width_of(left);
  const z3::expr zero = terms.number(0, width);
  const z3::expr shift = right & terms.number(width - 1, width);
  std::uint64_t constant = 0;
  const bool is_constant = right.is_numeral_u64(constant);
  const bool by_immediate = (insn.opcode & opcode::kSourceReg) == 0;
  const int op = insn.opcode & opcode::kOpMask;
  if (op == opcode::kNeg) {
    return -left;
  }
  const auto alu = static_cast<Alu>(op);
  if (by_immediate && (alu == Alu::Lsh || alu == Alu::Rsh || alu == Alu::Arsh) &&
      constant >= width) {
    return std::unexpected(fmt::format("shifts {} bits by {}", width, constant));
  }
  const bool divides = alu == Alu::Div || alu == Alu::Mod;
  if (divides && is_constant && constant == 0) {
    if (by_immediate) {
      return std::unexpected("divides by the constant 0");
    }
    return alu == Alu::Div ? zero : left;
  }
  switch (alu) {
    case Alu::Add: return left + right;
    case Alu::Sub: return left - right;
    case Alu::Mul: return terms.product(Product::Multiply, left, right);
    case Alu::Div: return if_zero(right, zero, terms.product(Product::Divide, left, right));
    case Alu::Or: return left | right;
    case Alu::And: return left & right;
    case Alu::Lsh: return z3::shl(left, shift);
    case Alu::Rsh: return z3::lshr(left, shift);
    case Alu::Mod: return if_zero(right, left, terms.product(Product::Remainder, left, right));
    case Alu::Xor: return left ^ right;
    case Alu::Mov: return right;
    case Alu::Arsh: return z3::ashr(left, shift);
  }
  return unknown(insn);
}

std::expected<z3::expr, std::string> swap_bytes(Terms& terms, const ebpf::Insn& insn,
                                                const z3::expr& value) {
  const bool is_64 = (insn.opcode & opcode::kClassMask) == opcode::kAlu64;
  const bool to_big = (insn.opcode & opcode::kToBigEndian) != 0;
  const auto bits = static_cast<unsigned>(insn.immediate);
  if ((bits != 16 && bits != 32 && bits != 64) || (is_64 && to_big)) {
    return unknown(insn);
  }
  z3::expr result = terms.low(value, bits);
  if (is_64 || to_big) {
    const z3::expr original = result;
    result = original.extract(7, 0);
    for (unsigned low_bit = 8; low_bit < bits; low_bit += 8) {
      result = z3::concat(result, original.extract(low_bit + 7, low_bit));
    }
  }
  return (bits == 64 ? result : z3::zext(result, 64 - bits)).simplify();
}

}  // namespace

std::expected<z3::expr, std::string> compute(Terms& terms, const ebpf::Insn& insn,
                                             const z3::expr& left, const z3::expr& right) {
  if ((insn.opcode & opcode::kOpMask) == opcode::kEnd) {
    return swap_bytes(terms, insn, left);
  }
  if ((insn.opcode & opcode::kClassMask) == opcode::kAlu64) {
    auto result = operate(terms, insn, left, right);
    return result ? result->simplify() : result;
  }
  auto result = operate(terms, insn, terms.low(left, 32), terms.low(right, 32));
  return result ? z3::zext(*result, 32).simplify() : result;
}

std::expected<z3::expr, std::string> taken(Terms& terms, const ebpf::Insn& insn,
                                           const z3::expr& left, const z3::expr& right) {
  const bool wide = (insn.opcode & opcode::kClassMask) == opcode::kJmp;
  const z3::expr a = wide ? left : terms.low(left, 32);
  const z3::expr b = wide ? right : terms.low(right, 32);
  switch (insn.opcode & opcode::kOpMask) {
    case static_cast<int>(ebpf::Cmp::Equal): return terms.compare(Comparison::Equal, a, b);
    case static_cast<int>(ebpf::Cmp::NotEqual):
      return terms.negation(terms.compare(Comparison::Equal, a, b));
    case static_cast<int>(ebpf::Cmp::Greater): return terms.compare(Comparison::Less, b, a);
    case static_cast<int>(ebpf::Cmp::GreaterEqual):
      return terms.compare(Comparison::LessEqual, b, a);
    case static_cast<int>(ebpf::Cmp::Less): return terms.compare(Comparison::Less, a, b);
    case static_cast<int>(ebpf::Cmp::LessEqual): return terms.compare(Comparison::LessEqual, a, b);
    case static_cast<int>(ebpf::Cmp::Any): return terms.compare(Comparison::AnyBitSet, a, b);
    case opcode::kSignedGreater: return terms.compare(Comparison::SignedLess, b, a);
    case opcode::kSignedGreaterEqual: return terms.compare(Comparison::SignedLessEqual, b, a);
    case opcode::kSignedLess: return terms.compare(Comparison::SignedLess, a, b);
    case opcode::kSignedLessEqual: return terms.compare(Comparison::SignedLessEqual, a, b);
    default: return unknown(insn);
  }
}

}  // namespace cbpfc::prove

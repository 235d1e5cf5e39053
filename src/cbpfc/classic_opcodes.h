// SPDX-License-Identifier: BSD-3-Clause
//
// The bits of a classic opcode, and the pairing of its operation bits with our enumerators.
//
//     bits 0-2 class | loads: bits 3-4 size, bits 5-7 mode | arithmetic, jumps: bit 3 X, bits 4-7
//     operation
//
// Source: Linux v6.18 include/uapi/linux/bpf_common.h, include/uapi/linux/filter.h.

#pragma once

#include <cbpfc/cbpf.h>

#include <array>
#include <cstdint>
#include <optional>

namespace cbpfc::opcode {

inline constexpr std::uint16_t kClassMask = 0x07, kSizeMask = 0x18, kModeMask = 0xe0,
                               kOpMask = 0xf0;
inline constexpr std::uint16_t kLd = 0, kLdx = 1, kSt = 2, kStx = 3, kAlu = 4, kJmp = 5, kRet = 6,
                               kMisc = 7;
inline constexpr std::uint16_t kWord = 0x00, kHalf = 0x08, kByte = 0x10;
inline constexpr std::uint16_t kImm = 0x00, kAbs = 0x20, kInd = 0x40, kMem = 0x60, kLen = 0x80,
                               kMsh = 0xa0;
inline constexpr std::uint16_t kSourceX = 0x08, kNeg = 0x80, kJa = 0x00;
inline constexpr std::uint16_t kReturnsA = 0x10, kTax = 0x00, kTxa = 0x80;

template <typename T>
struct Operation {
  std::uint16_t bits;
  T meaning;
};

inline constexpr std::array<Operation<AluOp>, 10> kAluOps = {{{0x00, AluOp::Add},
                                                              {0x10, AluOp::Sub},
                                                              {0x20, AluOp::Mul},
                                                              {0x30, AluOp::Div},
                                                              {0x40, AluOp::Or},
                                                              {0x50, AluOp::And},
                                                              {0x60, AluOp::Lsh},
                                                              {0x70, AluOp::Rsh},
                                                              {0x90, AluOp::Mod},
                                                              {0xa0, AluOp::Xor}}};
inline constexpr std::array<Operation<Condition>, 4> kConditions = {
    {{0x10, Condition::Equal},
     {0x20, Condition::Greater},
     {0x30, Condition::GreaterEqual},
     {0x40, Condition::AnyBitSet}}};

constexpr std::optional<AluOp> alu_op(int bits) {
  for (const auto& op : kAluOps) {
    if (op.bits == bits) {
      return op.meaning;
    }
  }
  return std::nullopt;
}
constexpr std::optional<Condition> condition(int bits) {
  for (const auto& op : kConditions) {
    if (op.bits == bits) {
      return op.meaning;
    }
  }
  return std::nullopt;
}
/// The operation bits of an enumerator; every enumerator is in its table.
template <typename T, std::size_t N>
constexpr std::uint16_t bits_of(const std::array<Operation<T>, N>& table, T meaning) {
  std::uint16_t bits = 0;
  for (const auto& op : table) {
    if (op.meaning == meaning) {
      bits = op.bits;
    }
  }
  return bits;
}

}  // namespace cbpfc::opcode

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

/// The operation bits, by AluOp and by Condition.
inline constexpr std::array<std::uint16_t, 10> kAluOps = {0x00, 0x10, 0x20, 0x30, 0x40,
                                                          0x50, 0x60, 0x70, 0x90, 0xa0};
inline constexpr std::array<std::uint16_t, 4> kConditions = {0x10, 0x20, 0x30, 0x40};

/// The enumerator that an opcode's bits stand for in `table`.
template <typename T, std::size_t N>
constexpr std::optional<T> meaning_of(const std::array<std::uint16_t, N>& table,
                                      std::uint16_t code) {
  for (std::size_t i = 0; i < N; ++i) {
    if (table[i] == (code & kOpMask)) {
      return static_cast<T>(i);
    }
  }
  return std::nullopt;
}

}  // namespace cbpfc::opcode

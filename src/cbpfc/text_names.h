// SPDX-License-Identifier: BSD-3-Clause
//
// What the listing form calls things: one table for printing and for reading.
//
// Source: libpcap 1.10.3 bpf_image.c bpf_image().

#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

namespace cbpfc::text {

/// Of an instruction's fields.
inline constexpr std::uint64_t kLargestK = std::numeric_limits<std::uint32_t>::max();
inline constexpr std::uint64_t kLargestSkip = std::numeric_limits<std::uint8_t>::max();

enum class OperandKind : std::uint8_t {
  None,          ///< nothing
  Hex,           ///< #0x1f
  Number,        ///< #31
  Absolute,      ///< [12], or [proto]
  Indirect,      ///< [x + 14]
  HeaderLength,  ///< 4*([14]&0xf)
  Scratch,       ///< M[3]
  Length,        ///< #pktlen
  X,             ///< x
  Target,        ///< 7, the instruction jumped to
};

struct Opcode {
  std::uint16_t code;
  std::string_view mnemonic;
  OperandKind operand;
};

/// All opcodes a listing can show, by opcode.
inline constexpr std::array kOpcodes = {
    Opcode{0x00, "ld", OperandKind::Hex},       Opcode{0x01, "ldx", OperandKind::Hex},
    Opcode{0x02, "st", OperandKind::Scratch},   Opcode{0x03, "stx", OperandKind::Scratch},
    Opcode{0x04, "add", OperandKind::Number},   Opcode{0x05, "ja", OperandKind::Target},
    Opcode{0x06, "ret", OperandKind::Number},   Opcode{0x07, "tax", OperandKind::None},
    Opcode{0x0c, "add", OperandKind::X},        Opcode{0x14, "sub", OperandKind::Number},
    Opcode{0x15, "jeq", OperandKind::Hex},      Opcode{0x16, "ret", OperandKind::None},
    Opcode{0x1c, "sub", OperandKind::X},        Opcode{0x1d, "jeq", OperandKind::X},
    Opcode{0x20, "ld", OperandKind::Absolute},  Opcode{0x24, "mul", OperandKind::Number},
    Opcode{0x25, "jgt", OperandKind::Hex},      Opcode{0x28, "ldh", OperandKind::Absolute},
    Opcode{0x2c, "mul", OperandKind::X},        Opcode{0x2d, "jgt", OperandKind::X},
    Opcode{0x30, "ldb", OperandKind::Absolute}, Opcode{0x34, "div", OperandKind::Number},
    Opcode{0x35, "jge", OperandKind::Hex},      Opcode{0x3c, "div", OperandKind::X},
    Opcode{0x3d, "jge", OperandKind::X},        Opcode{0x40, "ld", OperandKind::Indirect},
    Opcode{0x44, "or", OperandKind::Hex},       Opcode{0x45, "jset", OperandKind::Hex},
    Opcode{0x48, "ldh", OperandKind::Indirect}, Opcode{0x4c, "or", OperandKind::X},
    Opcode{0x4d, "jset", OperandKind::X},       Opcode{0x50, "ldb", OperandKind::Indirect},
    Opcode{0x54, "and", OperandKind::Hex},      Opcode{0x5c, "and", OperandKind::X},
    Opcode{0x60, "ld", OperandKind::Scratch},   Opcode{0x61, "ldx", OperandKind::Scratch},
    Opcode{0x64, "lsh", OperandKind::Number},   Opcode{0x6c, "lsh", OperandKind::X},
    Opcode{0x74, "rsh", OperandKind::Number},   Opcode{0x7c, "rsh", OperandKind::X},
    Opcode{0x80, "ld", OperandKind::Length},    Opcode{0x84, "neg", OperandKind::None},
    Opcode{0x87, "txa", OperandKind::None},     Opcode{0x94, "mod", OperandKind::Number},
    Opcode{0x9c, "mod", OperandKind::X},        Opcode{0xa4, "xor", OperandKind::Hex},
    Opcode{0xac, "xor", OperandKind::X},        Opcode{0xb1, "ldxb", OperandKind::HeaderLength},
};

}  // namespace cbpfc::text

// SPDX-License-Identifier: BSD-3-Clause
//
// The listing form, as libpcap's bpf_image() prints it:
//
//     (001) jeq      #0x86dd          jt 2    jf 8        21 0 6 34525
//
// The operand's shape and the mnemonic together give the opcode (kOpcodes).  Jumps are shown with
// the place they go to and stored with the distance, which is why the lines must count from (000)
// without a gap.  A `ja` may go backwards, as libpcap's do for "protochain"; a distance that
// conditional jumps cannot hold is an error.
//
// Constants of comparisons and of bit operations are hexadecimal, all others signed decimal numbers.  An opcode libpcap does
// not know is "unimp"; ldx #pktlen is one.
//
// Source: libpcap 1.10.3 bpf_image.c bpf_image().
// Tested by: text_test.cc, which compares every opcode with bpf_image() and reads it back.

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string>

#include "cbpfc/classic/ancillary.h"
#include "cbpfc/classic/classic_opcodes.h"
#include "cbpfc/classic/text_cursor.h"

namespace cbpfc::text {
namespace {

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

constexpr std::uint64_t kLargestNegative = 0x80000000;

/// An operand as far as its text tells.
struct Operand {
  OperandKind kind = OperandKind::None;
  std::uint32_t k = 0;
};

/// Reads a number that may be negative, modulo 2^32.
Result<std::uint32_t> take_k(Cursor& cursor, std::string_view what) {
  if (cursor.take('-')) {
    const std::uint64_t magnitude = TRY(take_number(cursor, Notation::C, kLargestNegative, what));
    return static_cast<std::uint32_t>(0 - magnitude);
  }
  return static_cast<std::uint32_t>(TRY(take_number(cursor, Notation::C, kLargestK, what)));
}

bool is_name(char c) {
  return Cursor::is_letter(c) || Cursor::is_digit(c) || c == '_';
}

/// Reads what follows "[" of a load from the packet.
Result<Operand> take_packet_operand(Cursor& cursor) {
  Operand operand{.kind = OperandKind::Absolute};
  const std::size_t start = cursor.place();
  if (Cursor::is_letter(cursor.peek())) {
    const std::string_view name = cursor.take_while(is_name);
    if (name == "x") {
      operand.kind = OperandKind::Indirect;
      cursor.skip_blanks();
      if (!cursor.take('+')) {
        return cursor.fail_expected(R"("+" after "[x")");
      }
      cursor.skip_blanks();
      operand.k = TRY(take_k(cursor, "the offset"));
    } else {
      const auto* const load =
          std::ranges::find(ancillary::kLoads, name, &ancillary::Load::listing);
      if (load == ancillary::kLoads.end()) {
        return cursor.fail_at(start, fmt::format("unknown ancillary load \"[{}]\"", name));
      }
      operand.k =
          kAncillaryOffset + 4 * static_cast<std::uint32_t>(load - ancillary::kLoads.begin());
    }
  } else {
    operand.k = TRY(take_k(cursor, "the offset"));
  }
  if (!cursor.take(']')) {
    return cursor.fail_expected("\"]\" after the offset");
  }
  return operand;
}

/// Reads the operand at `cursor`, which may be none.
Result<Operand> take_operand(Cursor& cursor) {
  if (cursor.at_end() || cursor.peek() == '\n') {
    return Operand{};
  }
  if (cursor.take("#pktlen")) {
    return Operand{.kind = OperandKind::Length};
  }
  if (cursor.take('#')) {
    return Operand{.kind = OperandKind::Number, .k = TRY(take_k(cursor, "the constant"))};
  }
  if (cursor.take('[')) {
    return take_packet_operand(cursor);
  }
  if (cursor.take("4*([")) {
    const std::uint32_t offset = TRY(take_k(cursor, "the offset"));
    if (!cursor.take("]&0xf)")) {
      return cursor.fail_expected("\"]&0xf)\" after the offset");
    }
    return Operand{.kind = OperandKind::HeaderLength, .k = offset};
  }
  if (cursor.take("M[")) {
    const std::uint32_t slot = TRY(take_k(cursor, "the scratch slot"));
    if (!cursor.take(']')) {
      return cursor.fail_expected("\"]\" after the scratch slot");
    }
    return Operand{.kind = OperandKind::Scratch, .k = slot};
  }
  if (cursor.take('x')) {
    return Operand{.kind = OperandKind::X};
  }
  return Operand{.kind = OperandKind::Target,
                 .k = TRY(take_k(cursor, "an operand or the jump's target"))};
}

/// The opcode of `mnemonic` with an operand like that; constants are one kind here.
const Opcode* find_opcode(std::string_view mnemonic, OperandKind kind) {
  const auto* const found = std::ranges::find_if(kOpcodes, [&](const Opcode& opcode) {
    return opcode.mnemonic == mnemonic &&
           (opcode.operand == OperandKind::Hex ? OperandKind::Number : opcode.operand) == kind;
  });
  return found != kOpcodes.end() ? found : nullptr;
}

/// Reads "jt 8" (`name` is "jt") of instruction `index`, and returns the distance.
Result<std::uint8_t> take_branch(Cursor& cursor, std::string_view name, std::size_t index) {
  cursor.skip_blanks();
  if (!cursor.take(name)) {
    return cursor.fail_expected(fmt::format("\"{}\" and a target", name));
  }
  cursor.skip_blanks();
  const std::size_t start = cursor.place();
  const std::uint64_t target = TRY(take_number(cursor, Notation::Decimal, kLargestK, name));
  if (target <= index || target - index - 1 > kLargestSkip) {
    return cursor.fail_at(
        start, fmt::format("{} {} is out of reach of instruction {}, which reaches {} to {}", name,
                           target, index, index + 1, index + 1 + kLargestSkip));
  }
  return static_cast<std::uint8_t>(target - index - 1);
}

/// Reads "(007)".
Result<> take_index(Cursor& cursor, std::size_t index) {
  const std::size_t start = cursor.place();
  if (!cursor.take('(')) {
    return cursor.fail_expected(fmt::format("the instruction's number \"({:03})\"", index));
  }
  const std::uint64_t number =
      TRY(take_number(cursor, Notation::Decimal, kLargestK, "the instruction's number"));
  if (!cursor.take(')')) {
    return cursor.fail_expected("\")\" after the instruction's number");
  }
  if (number != index) {
    return cursor.fail_at(
        start, fmt::format("instruction ({:03}) where ({:03}) is due: jump targets are only "
                           "right in a whole listing",
                           number, index));
  }
  cursor.skip_blanks();
  return {};
}

/// Reads one line without its line break.
Result<RawInsn> take_line(Cursor& cursor, std::size_t index) {
  TRY(take_index(cursor, index));
  const std::size_t mnemonic_place = cursor.place();
  const std::string_view mnemonic = cursor.take_while(Cursor::is_letter);
  cursor.skip_blanks();
  if (mnemonic == "unimp") {
    const std::size_t start = cursor.place();
    const std::uint64_t code = TRY(take_number(cursor, Notation::C, kLargestK, "the opcode"));
    return cursor.fail_at(start,
                          fmt::format("opcode {:#04x} is unknown to libpcap's listing", code));
  }
  if (std::ranges::find(kOpcodes, mnemonic, &Opcode::mnemonic) == kOpcodes.end()) {
    constexpr std::size_t kLongestQuote = 20;
    return cursor.fail_at(mnemonic_place, fmt::format("unknown instruction \"{}\"",
                                                      mnemonic.substr(0, kLongestQuote)));
  }
  const std::size_t operand_place = cursor.place();
  const Operand operand = TRY(take_operand(cursor));
  const Opcode* opcode = find_opcode(mnemonic, operand.kind);
  if (opcode == nullptr) {
    return cursor.fail_at(operand_place,
                          fmt::format("\"{}\" does not take such an operand", mnemonic));
  }
  RawInsn insn{.code = opcode->code, .k = operand.k};
  if (operand.kind == OperandKind::Target) {
    insn.k = operand.k - static_cast<std::uint32_t>(index) - 1;
  } else if (mnemonic.starts_with('j')) {
    insn.jt = TRY(take_branch(cursor, "jt", index));
    insn.jf = TRY(take_branch(cursor, "jf", index));
  }
  cursor.skip_blanks();
  if (!cursor.at_end() && cursor.peek() != '\n') {
    return cursor.fail_expected("the end of the line");
  }
  return insn;
}

/// Takes `rest` and the line's end, and goes to where the next line begins.
bool take_rest_of_line(Cursor& cursor, std::string_view rest) {
  if (!cursor.take(rest)) {
    return false;
  }
  cursor.skip_blanks();
  if (!cursor.take('\n')) {
    return false;
  }
  cursor.skip_space();
  return true;
}

std::int32_t as_signed(std::uint32_t k) {
  return static_cast<std::int32_t>(k);
}

std::string print_operand(const RawInsn& insn, OperandKind kind, std::size_t index) {
  using enum OperandKind;
  switch (kind) {
    case None: return "";
    case Hex: return fmt::format("#{:#x}", insn.k);
    case Number: return fmt::format("#{}", as_signed(insn.k));
    case Absolute:
      if (is_ancillary_load(insn.k)) {
        return fmt::format("[{}]", ancillary::at(insn.k - kAncillaryOffset).listing);
      }
      return fmt::format("[{}]", as_signed(insn.k));
    case Indirect: return fmt::format("[x + {}]", as_signed(insn.k));
    case HeaderLength: return fmt::format("4*([{}]&0xf)", as_signed(insn.k));
    case Scratch: return fmt::format("M[{}]", as_signed(insn.k));
    case Length: return "#pktlen";
    case X: return "x";
    case Target:
      return fmt::format("{}", as_signed(static_cast<std::uint32_t>(index) + 1 + insn.k));
  }
  return "";
}

bool is_conditional_jump(std::uint16_t code) {
  return (code & opcode::kClassMask) == opcode::kJmp && (code & opcode::kOpMask) != opcode::kJa;
}

}  // namespace

bool looks_like_listing(std::string_view text) {
  Cursor cursor(text);
  cursor.skip_space();
  if (!cursor.take('(') || cursor.take_while(Cursor::is_digit).empty() || !cursor.take(')') ||
      !Cursor::is_blank(cursor.peek())) {
    return false;
  }
  cursor.skip_blanks();
  const std::string_view word = cursor.take_while(Cursor::is_letter);
  cursor.skip_blanks();
  if (word == "and" ||
      word == "or") {  // "(1) and x" may be an expression, but none goes on like that
    return cursor.peek() == '#' || (take_rest_of_line(cursor, "x") && cursor.take('('));
  }
  return !word.empty();
}

Result<std::vector<RawInsn>> parse_listing(std::string_view text) {
  Cursor cursor(text);
  std::vector<RawInsn> program;
  for (cursor.skip_space(); !cursor.at_end(); cursor.skip_space()) {
    program.push_back(TRY(take_line(cursor, program.size())));
  }
  return program;
}

std::string listing_line(const RawInsn& insn, std::size_t index) {
  const auto* const known = std::ranges::find(kOpcodes, insn.code, &Opcode::code);
  const bool is_known = known != kOpcodes.end();
  const std::string_view mnemonic = is_known ? known->mnemonic : "unimp";
  const std::string shown =
      is_known ? print_operand(insn, known->operand, index) : fmt::format("{:#x}", insn.code);
  if (is_conditional_jump(insn.code)) {
    return fmt::format("({:03}) {:<8} {:<16} jt {}\tjf {}\n", index, mnemonic, shown,
                       index + 1 + insn.jt, index + 1 + insn.jf);
  }
  return fmt::format("({:03}) {:<8} {}\n", index, mnemonic, shown);
}

}  // namespace cbpfc::text

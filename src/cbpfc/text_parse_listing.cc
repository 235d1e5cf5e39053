// SPDX-License-Identifier: BSD-3-Clause
//
// Reads the listing form, the inverse of libpcap's bpf_image():
//
//     (001) jeq      #0x86dd          jt 2    jf 8        21 0 6 34525
//
// The operand's shape and the mnemonic together give the opcode (kOpcodes).  Jumps are shown with
// the place they go to and stored with the distance, which is why the lines must count from (000)
// without a gap.  A `ja` may go backwards, as libpcap's do for "protochain"; a distance that
// conditional jumps cannot hold is an error.
//
// Tested by: text_test.cc, which reads back every opcode that print_program() prints.

#include "text_parse_listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "ancillary.h"
#include "text_cursor.h"
#include "text_names.h"

namespace cbpfc::text {
namespace {

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
  for (const Opcode& opcode : kOpcodes) {
    const OperandKind wanted =
        opcode.operand == OperandKind::Hex ? OperandKind::Number : opcode.operand;
    if (opcode.mnemonic == mnemonic && wanted == kind) {
      return &opcode;
    }
  }
  return nullptr;
}

bool is_mnemonic(std::string_view mnemonic) {
  for (const Opcode& opcode : kOpcodes) {
    if (opcode.mnemonic == mnemonic) {
      return true;
    }
  }
  return false;
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
  if (!is_mnemonic(mnemonic)) {
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

}  // namespace

namespace {

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

}  // namespace cbpfc::text

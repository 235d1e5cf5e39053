// SPDX-License-Identifier: BSD-3-Clause
//
// Programs as text.  The first character decides on the form: '(' a listing, '{' a C array, a
// digit the decimal forms, which are one form: a count, then four numbers an instruction, with line
// breaks or commas between.  So what scripts make of tcpdump's output is read as well:
//
//     tcpdump -ddd ip | tr '\n' ','        4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0,
//
// Cost: linear in the text, one vector growing with the instructions read; a stated count reserves
// nothing.  No recursion.
// Does not: look at what the instructions mean; Filter::decode does.
// Tested by: text_test.cc, which compares what is printed with bpf_dump().

#include <cbpfc/text.h>
#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>

#include "cbpfc/classic/text_cursor.h"

namespace cbpfc {
namespace text {

std::unexpected<Error> Cursor::fail_at(std::size_t place, std::string_view reason) const {
  const std::string_view before = text_.substr(0, place);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_break = before.rfind('\n');
  const std::size_t column = line_break == std::string_view::npos ? place + 1 : place - line_break;
  std::unexpected<Error> failure =
      fail(Errc::Syntax, fmt::format("program, line {}, column {}: {}", line, column, reason));
  failure.error().offset = place;
  return failure;
}

std::unexpected<Error> Cursor::fail_expected(std::string_view wanted) const {
  constexpr std::size_t kLongestQuote = 20;
  if (at_end()) {
    return fail_at(place_, fmt::format("expected {}, found the end", wanted));
  }
  const std::string_view rest = text_.substr(place_, kLongestQuote);
  const auto printable = static_cast<std::size_t>(
      std::ranges::find_if(rest, [](char c) { return c <= ' ' || c > '~'; }) - rest.begin());
  if (printable == 0) {
    return peek() == '\n'
               ? fail_at(place_, fmt::format("expected {}, found the end of the line", wanted))
               : fail_at(place_, fmt::format("expected {}, found the character {:#04x}", wanted,
                                             static_cast<unsigned char>(peek())));
  }
  return fail_at(place_,
                 fmt::format("expected {}, found \"{}\"", wanted, rest.substr(0, printable)));
}

namespace {

std::optional<unsigned> digit_value(char c, unsigned base) {
  if (Cursor::is_digit(c)) {
    return static_cast<unsigned>(c - '0');
  }
  if (base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) {
    return static_cast<unsigned>((c | 0x20) - 'a') + 10;
  }
  return std::nullopt;
}

}  // namespace

Result<std::uint64_t> take_number(Cursor& cursor, Notation notation, std::uint64_t largest,
                                  std::string_view what) {
  const std::size_t start = cursor.place();
  unsigned base = 10;
  if (notation == Notation::C && cursor.take('0')) {
    if (cursor.take('x') || cursor.take('X')) {
      base = 16;
    } else if (Cursor::is_digit(cursor.peek())) {
      return cursor.fail_at(
          start, fmt::format("{} begins with 0, which is octal in C: write it without", what));
    } else {
      cursor.back_to(start);
    }
  }
  if (!digit_value(cursor.peek(), base)) {
    return cursor.fail_expected(
        fmt::format("{}, a {} number", what, base == 16 ? "hexadecimal" : "decimal"));
  }
  std::uint64_t value = 0;
  bool too_large = false;
  while (const auto digit = digit_value(cursor.peek(), base)) {
    cursor.take(cursor.peek());
    too_large = too_large || value > (largest - std::min<std::uint64_t>(*digit, largest)) / base ||
                *digit > largest;
    value = too_large ? value : value * base + *digit;
  }
  if (too_large) {
    return cursor.fail_at(start, fmt::format("{} is too large, the largest is {}", what, largest));
  }
  return value;
}

namespace {

constexpr std::uint64_t kLargestCode = std::numeric_limits<std::uint16_t>::max();

/// Reads the four numbers of an instruction; `separate` reads what stands between two of them.
template <typename Separate>
Result<RawInsn> take_insn(Cursor& cursor, Notation notation, Separate separate) {
  RawInsn insn;
  insn.code =
      static_cast<std::uint16_t>(TRY(take_number(cursor, notation, kLargestCode, "the opcode")));
  TRY(separate("jt"));
  insn.jt = static_cast<std::uint8_t>(TRY(take_number(cursor, notation, kLargestSkip, "jt")));
  TRY(separate("jf"));
  insn.jf = static_cast<std::uint8_t>(TRY(take_number(cursor, notation, kLargestSkip, "jf")));
  TRY(separate("k"));
  insn.k = static_cast<std::uint32_t>(TRY(take_number(cursor, notation, kLargestK, "k")));
  return insn;
}

/// Reads "{ 0x28, 0, 0, 0x0000000c }," until the end.
Result<std::vector<RawInsn>> parse_c_array(std::string_view text) {
  Cursor cursor(text);
  std::vector<RawInsn> program;
  const auto comma = [&cursor](std::string_view next) -> Result<> {
    cursor.skip_space();
    if (!cursor.take(',')) {
      return cursor.fail_expected(fmt::format("a comma before {}", next));
    }
    cursor.skip_space();
    return {};
  };
  for (cursor.skip_space(); !cursor.at_end(); cursor.skip_space()) {
    if (!cursor.take('{')) {
      return cursor.fail_expected("\"{\" before the next instruction");
    }
    cursor.skip_space();
    program.push_back(TRY(take_insn(cursor, Notation::C, comma)));
    cursor.skip_space();
    if (!cursor.take('}')) {
      return cursor.fail_expected("\"}\" after four numbers");
    }
    cursor.skip_space();
    cursor.take(',');
  }
  return program;
}

/// Reads what ends an instruction of the decimal forms: line breaks, one comma, or the end.
Result<> take_separator(Cursor& cursor, std::string_view after) {
  const std::size_t start = cursor.place();
  cursor.skip_space();
  if (cursor.at_end() || cursor.take(',')) {
    cursor.skip_space();
    return {};
  }
  const std::size_t next = cursor.place();
  cursor.back_to(start);
  cursor.skip_blanks();
  if (cursor.place() == next) {  // no line break either
    return cursor.fail_expected(fmt::format("a comma or the end of the line after {}", after));
  }
  cursor.back_to(next);
  return {};
}

/// Reads "4", then "40 0 0 12" and so on.
Result<std::vector<RawInsn>> parse_decimal(std::string_view text) {
  Cursor cursor(text);
  cursor.skip_space();
  const std::size_t count_place = cursor.place();
  const std::uint64_t count =
      TRY(take_number(cursor, Notation::Decimal, kLargestK, "the number of instructions"));
  TRY(take_separator(cursor, "the number of instructions"));
  std::vector<RawInsn> program;
  const auto blank = [&cursor](std::string_view next) -> Result<> {
    if (!Cursor::is_blank(cursor.peek())) {
      return cursor.fail_expected(fmt::format("a blank and {}", next));
    }
    cursor.skip_blanks();
    return {};
  };
  while (!cursor.at_end()) {
    program.push_back(TRY(take_insn(cursor, Notation::Decimal, blank)));
    TRY(take_separator(cursor, "an instruction's four numbers"));
  }
  if (program.size() != count) {
    return cursor.fail_at(
        count_place,
        fmt::format("the program says it has {} instruction{}, but {} follow{}", count,
                    count == 1 ? "" : "s", program.size(), program.size() == 1 ? "s" : ""));
  }
  return program;
}

/// A number alone or followed by another, or by a comma: no expression is or begins like that.
bool looks_like_decimal(std::string_view text) {
  Cursor cursor(text);
  cursor.skip_space();
  if (cursor.take_while(Cursor::is_digit).empty()) {
    return false;
  }
  const std::size_t end_of_number = cursor.place();
  cursor.skip_space();
  const bool separated = cursor.place() != end_of_number;
  return cursor.at_end() || cursor.peek() == ',' || (separated && Cursor::is_digit(cursor.peek()));
}

}  // namespace
}  // namespace text

bool looks_like_program(std::string_view text) {
  text::Cursor cursor(text);
  cursor.skip_space();
  return cursor.peek() == '{' || text::looks_like_decimal(text) || text::looks_like_listing(text);
}

Result<std::vector<RawInsn>> parse_program(std::string_view text) {
  text::Cursor cursor(text);
  cursor.skip_space();
  if (cursor.peek() == '{') {
    return text::parse_c_array(text);
  }
  if (cursor.peek() == '(') {
    return text::parse_listing(text);
  }
  if (text::Cursor::is_digit(cursor.peek())) {
    return text::parse_decimal(text);
  }
  return cursor.fail_expected(
      "a program as tcpdump -d, -dd or -ddd prints it: \"(000)\", \"{\" or the number of "
      "instructions");
}

std::string print_program(std::span<const RawInsn> program, TextForm form) {
  std::string printed;
  if (form == TextForm::Decimal || form == TextForm::OneLine) {
    printed = fmt::format("{}{}", program.size(), form == TextForm::Decimal ? "\n" : "");
  }
  auto out = std::back_inserter(printed);
  for (std::size_t i = 0; i < program.size(); ++i) {
    const RawInsn& insn = program[i];
    switch (form) {
      case TextForm::Listing: printed += text::listing_line(insn, i); break;
      case TextForm::CArray:
        fmt::format_to(out, "{{ {:#x}, {}, {}, 0x{:08x} }},\n", insn.code, insn.jt, insn.jf,
                       insn.k);
        break;
      case TextForm::Decimal:
        fmt::format_to(out, "{} {} {} {}\n", insn.code, insn.jt, insn.jf, insn.k);
        break;
      case TextForm::OneLine:
        fmt::format_to(out, ",{} {} {} {}", insn.code, insn.jt, insn.jf, insn.k);
        break;
    }
  }
  return printed;
}

}  // namespace cbpfc

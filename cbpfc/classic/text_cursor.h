// SPDX-License-Identifier: BSD-3-Clause
//
// A place in a program's text, shared by the readers of the forms (text.cc), and the listing form, which is read by a grammar
// that the others do not share (text_listing.cc).

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace cbpfc::text {

/// Of an instruction's fields.
inline constexpr std::uint64_t kLargestK = std::numeric_limits<std::uint32_t>::max();
inline constexpr std::uint64_t kLargestSkip = std::numeric_limits<std::uint8_t>::max();

/// Moves forward only, so that reading is linear; line and column are counted when an error needs them.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool at_end() const { return place_ == text_.size(); }
  /// The next character; '\0' at the end, which no form contains.
  char peek() const { return at_end() ? '\0' : text_[place_]; }
  std::size_t place() const { return place_; }
  void back_to(std::size_t place) { place_ = place; }

  /// Takes `wanted` if it is next.
  bool take(char wanted) {
    if (at_end() || text_[place_] != wanted) {
      return false;
    }
    ++place_;
    return true;
  }
  /// Takes `wanted` if it is next.
  bool take(std::string_view wanted) {
    if (!text_.substr(place_).starts_with(wanted)) {
      return false;
    }
    place_ += wanted.size();
    return true;
  }
  /// Takes all characters up to the first that is not `wanted`.
  template <typename Predicate>
  std::string_view take_while(Predicate wanted) {
    const std::size_t start = place_;
    while (!at_end() && wanted(text_[place_])) {
      ++place_;
    }
    return text_.substr(start, place_ - start);
  }
  void skip_blanks() { take_while(is_blank); }
  void skip_space() {
    take_while([](char c) { return is_blank(c) || c == '\n'; });
  }

  /// Errc::Syntax at `place`: "program, line 2, column 5: reason".
  std::unexpected<Error> fail_at(std::size_t place, std::string_view reason) const;
  /// Errc::Syntax here: "expected `wanted`, found ...".
  std::unexpected<Error> fail_expected(std::string_view wanted) const;

  static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
  }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

 private:
  std::string_view text_;
  std::size_t place_ = 0;
};

enum class Notation : std::uint8_t {
  Decimal,  ///< digits
  C,        ///< digits without a leading zero, or 0x and hexadecimal digits
};

/// Reads a number of at most `largest`; `what` names it in messages ("jt").
Result<std::uint64_t> take_number(Cursor& cursor, Notation notation, std::uint64_t largest,
                                  std::string_view what);

/// Whether `text` begins like a listing: "(000) ldh", and not like the expression "(1) and tcp".
bool looks_like_listing(std::string_view text);

/// Reads a listing, one instruction a line.
/// Errors: Errc::Syntax with line and column.
Result<std::vector<RawInsn>> parse_listing(std::string_view text);

/// One line of a listing.
std::string listing_line(const RawInsn& insn, std::size_t index);

}  // namespace cbpfc::text

// SPDX-License-Identifier: BSD-3-Clause

#include "base/numbers.h"

#include <fmt/core.h>

#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace xdpcap::cli {

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Result;

namespace {

/// Bytes that the last letter of `text` stands for, as a power of two; 0: it is no unit.
unsigned unit_bits(std::string_view text) {
  switch (text.empty() ? '\0' : text.back()) {
    case 'K':
    case 'k': return 10;
    case 'M':
    case 'm': return 20;
    case 'G':
    case 'g': return 30;
    default: return 0;
  }
}

/// The digits of a number and what they are written in.
struct Digits {
  std::string_view text;
  int base = 10;
  bool has_prefix = false;
};

Digits split_prefix(std::string_view text) {
  if (!text.starts_with('0') || text.size() == 1) {
    return {.text = text};
  }
  switch (text[1]) {
    case 'x':
    case 'X': return {.text = text.substr(2), .base = 16, .has_prefix = true};
    case 'b':
    case 'B': return {.text = text.substr(2), .base = 2, .has_prefix = true};
    case 'o':
    case 'O': return {.text = text.substr(2), .base = 8, .has_prefix = true};
    default: return {.text = text.substr(1), .base = 8, .has_prefix = true};
  }
}

/// Without the underscores; nullopt if one is not between two digits, or a prefix and a digit.
std::optional<std::string> without_underscores(const Digits& digits) {
  std::string plain;
  char before = digits.has_prefix ? '0' : '_';
  for (const char c : digits.text) {
    if (c != '_') {
      plain += c;
    } else if (before == '_') {
      return std::nullopt;
    }
    before = c;
  }
  return before == '_' ? std::nullopt : std::optional(std::move(plain));
}

struct Parsed {
  std::errc error = std::errc::invalid_argument;
  std::uint64_t number = 0;
};

Parsed parse(std::string_view text) {
  const Digits digits = split_prefix(text);
  const std::optional<std::string> plain = without_underscores(digits);
  if (!plain || plain->empty()) {
    return {};
  }
  Parsed parsed;
  const char* const end = plain->data() + plain->size();
  const auto [rest, error] = std::from_chars(plain->data(), end, parsed.number, digits.base);
  if (rest == end) {
    parsed.error = error;
  }
  return parsed;
}

std::unexpected<cbpfc::Error> not_a_number(std::string_view text, std::uint64_t least,
                                           std::uint64_t most) {
  const bool is_octal = text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9';
  return fail(Errc::InvalidArgument,
              fmt::format("\"{}\" is not a number from {} to {}{}", text, least, most,
                          is_octal ? " (a leading 0 makes it octal)" : ""));
}

std::unexpected<cbpfc::Error> out_of_range(std::string_view text, std::uint64_t least,
                                           std::uint64_t most) {
  return fail(Errc::InvalidArgument,
              fmt::format("{} is out of range, must be from {} to {}", text, least, most));
}

}  // namespace

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t least, std::uint64_t most) {
  const Parsed parsed = parse(text);
  if (parsed.error == std::errc::invalid_argument) {
    return not_a_number(text, least, most);
  }
  if (parsed.error != std::errc() || parsed.number < least || parsed.number > most) {
    return out_of_range(text, least, most);
  }
  return parsed.number;
}

Result<std::uint64_t> parse_bytes(std::string_view text, std::uint64_t least, std::uint64_t most) {
  const unsigned bits = unit_bits(text);
  if (bits == 0) {
    return parse_number(text, least, most);
  }
  const Result<std::uint64_t> number =
      parse_number(text.substr(0, text.size() - 1), 0, std::numeric_limits<std::uint64_t>::max());
  if (!number) {
    return not_a_number(text, least, most);
  }
  if (*number > most >> bits || *number << bits < least) {
    return out_of_range(text, least, most);
  }
  return *number << bits;
}

Result<bool> parse_bool(std::string_view text) {
  if (text == "true" || text == "1" || text == "t" || text == "T" || text == "TRUE" ||
      text == "True") {
    return true;
  }
  if (text == "false" || text == "0" || text == "f" || text == "F" || text == "FALSE" ||
      text == "False") {
    return false;
  }
  return fail(Errc::InvalidArgument, fmt::format("\"{}\" is neither true nor false", text));
}

}  // namespace xdpcap::cli

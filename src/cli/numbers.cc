// SPDX-License-Identifier: BSD-3-Clause

#include "cli/numbers.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

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

}  // namespace

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t number = 0;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [rest, error] = std::from_chars(begin, end, number);
  if (text.empty() || rest != end || error == std::errc::invalid_argument) {
    return fail(Errc::InvalidArgument,
                fmt::format("\"{}\" is not a number from {} to {}", text, least, most));
  }
  if (error == std::errc::result_out_of_range || number < least || number > most) {
    return fail(Errc::InvalidArgument,
                fmt::format("{} is out of range, must be from {} to {}", text, least, most));
  }
  return number;
}

Result<std::uint64_t> parse_bytes(std::string_view text, std::uint64_t least, std::uint64_t most) {
  const unsigned bits = unit_bits(text);
  if (bits == 0) {
    return parse_number(text, least, most);
  }
  const Result<std::uint64_t> number =
      parse_number(text.substr(0, text.size() - 1), 0, std::numeric_limits<std::uint64_t>::max());
  if (!number) {
    return fail(Errc::InvalidArgument,
                fmt::format("\"{}\" is not a number from {} to {}", text, least, most));
  }
  if (*number > most >> bits || *number << bits < least) {
    return fail(Errc::InvalidArgument,
                fmt::format("{} is out of range, must be from {} to {}", text, least, most));
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

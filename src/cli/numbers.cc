// SPDX-License-Identifier: BSD-3-Clause

#include "cli/numbers.h"

#include <fmt/format.h>

#include <charconv>

namespace xdpcap::cli {

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Result;

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

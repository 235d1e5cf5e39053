// SPDX-License-Identifier: BSD-3-Clause

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <system_error>

namespace xdpcap {
namespace {

std::uint8_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

}  // namespace

std::string errno_text(int error_number) {
  return std::generic_category().message(error_number);
}

std::string counted(std::uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_in_any_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, to_lower, to_lower);
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(kBlanks);
  return first == std::string_view::npos
             ? std::string_view()
             : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string_view cut_text(std::string_view text, std::size_t most_bytes) {
  if (text.size() <= most_bytes) {
    return text;
  }
  std::size_t end = most_bytes;
  // 10xxxxxx goes on with a character; no character has more than three of them.
  for (int i = 0; i < 3 && end > 0 && (byte_at(text, end) & 0xc0U) == 0x80; ++i) {
    --end;
  }
  return text.substr(0, end);
}

std::size_t character_bytes(std::string_view text) {
  struct Lead {
    std::uint8_t first, last;                ///< lead bytes
    std::size_t bytes;                       ///< of the character
    std::uint8_t second_least, second_most;  ///< of the byte behind it
  };
  static constexpr Lead kLeads[] = {
      {0x00, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
      {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
      {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
  };
  const auto* lead = std::ranges::find_if(kLeads, [&](const Lead& one) {
    return byte_at(text, 0) >= one.first && byte_at(text, 0) <= one.last;
  });
  if (lead == std::end(kLeads) || text.size() < lead->bytes) {
    return 0;
  }
  for (std::size_t i = 1; i < lead->bytes; ++i) {
    const std::uint8_t least = i == 1 ? lead->second_least : 0x80;
    const std::uint8_t most = i == 1 ? lead->second_most : 0xbf;
    if (byte_at(text, i) < least || byte_at(text, i) > most) {
      return 0;
    }
  }
  return lead->bytes;
}

char32_t code_point(std::string_view character) {
  constexpr unsigned kBitsOfRest = 6;
  const std::uint8_t first = byte_at(character, 0);
  // The lead byte of N bytes, N > 1, starts with N ones and a zero.
  char32_t result = character.size() == 1 ? first : first & (0x7fU >> character.size());
  for (std::size_t i = 1; i < character.size(); ++i) {
    result = result << kBitsOfRest | (byte_at(character, i) & 0x3fU);
  }
  return result;
}

bool is_obeyed(char32_t character) {
  struct Range {
    char32_t first, last;
  };
  static constexpr Range kObeyed[] = {
      {0x0, 0x1f},        {0x7f, 0x9f},       {0xad, 0xad},       {0x600, 0x605},
      {0x61c, 0x61c},     {0x6dd, 0x6dd},     {0x70f, 0x70f},     {0x890, 0x891},
      {0x8e2, 0x8e2},     {0x180e, 0x180e},   {0x200b, 0x200f},   {0x2028, 0x202e},
      {0x2060, 0x2064},   {0x2066, 0x206f},   {0xfeff, 0xfeff},   {0xfff9, 0xfffb},
      {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3},
      {0x1d173, 0x1d17a}, {0xe0001, 0xe0001}, {0xe0020, 0xe007f},
  };
  return std::ranges::any_of(kObeyed, [character](const Range& range) {
    return character >= range.first && character <= range.last;
  });
}

}  // namespace xdpcap

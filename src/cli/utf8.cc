// SPDX-License-Identifier: BSD-3-Clause

#include "cli/utf8.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace xdpcap::cli {
namespace {

std::uint8_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

}  // namespace

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

bool is_control_character(std::string_view character) {
  const std::uint8_t first = byte_at(character, 0);
  return first < ' ' || first == 0x7f || (first == 0xc2 && byte_at(character, 1) < 0xa0);
}

}  // namespace xdpcap::cli

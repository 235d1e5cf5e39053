// SPDX-License-Identifier: BSD-3-Clause

#include "cli/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace xdpcap::cli {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

std::uint8_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

/// The length of the character of UTF-8 that `text`, which is not empty, starts with; 0 if it starts with none.
///
/// Source: RFC 3629, section 4.  Overlong forms, surrogates and what is above U+10FFFF are none.
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

}  // namespace

std::string json_string(std::string_view text) {
  std::string result = "\"";
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t bytes = character_bytes(text);
    if (bytes == 0) {
      result += kReplacement;
    } else if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<std::uint8_t>(c) < ' ') {
      fmt::format_to(std::back_inserter(result), "\\u{:04x}", static_cast<std::uint8_t>(c));
    } else {
      result += text.substr(0, bytes);
    }
    text.remove_prefix(std::max<std::size_t>(bytes, 1));
  }
  return result + '"';
}

JsonWriter& JsonWriter::key(std::string_view name) {
  put(json_string(name));
  text_ += ':';
  needs_comma_ = false;
  return *this;
}

void JsonWriter::begin(char bracket) {
  put(std::string_view(&bracket, 1));
  needs_comma_ = false;
}

void JsonWriter::end(char bracket) {
  text_ += bracket;
  needs_comma_ = true;
}

void JsonWriter::put(std::string_view value) {
  if (needs_comma_) {
    text_ += ',';
  }
  text_ += value;
  needs_comma_ = true;
}

}  // namespace xdpcap::cli

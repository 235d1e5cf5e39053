// SPDX-License-Identifier: BSD-3-Clause

#include "base/json.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"

namespace xdpcap::cli {

namespace {

/// "\u009b"; two of them, a surrogate pair, above U+FFFF.
std::string escape(char32_t character) {
  constexpr char32_t kFirstOfPairs = 0x10000;
  constexpr unsigned kBitsOfLow = 10;
  constexpr char32_t kLowBits = 0x3ff;
  if (character < kFirstOfPairs) {
    return fmt::format("\\u{:04x}", static_cast<std::uint32_t>(character));
  }
  const auto bits = static_cast<std::uint32_t>(character - kFirstOfPairs);
  return fmt::format("\\u{:04x}\\u{:04x}", 0xd800U | bits >> kBitsOfLow,
                     0xdc00U | (bits & kLowBits));
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string result = "\"";
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t bytes = character_bytes(text);
    if (bytes == 0) {
      result += kReplacementCharacter;
    } else if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (const char32_t character = code_point(text.substr(0, bytes)); is_obeyed(character)) {
      result += escape(character);
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

// SPDX-License-Identifier: BSD-3-Clause

#include "cli/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "cli/utf8.h"

namespace xdpcap::cli {

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

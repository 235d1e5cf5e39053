// SPDX-License-Identifier: BSD-3-Clause
//
// Writing JSON.
//
//     JsonWriter json;
//     json.begin_object();
//     json.key("name").text("eth0");
//     json.key("ids").begin_array();
//     json.number(1);                      // {"name":"eth0","ids":[1]}
//     json.end_array();
//     json.end_object();
//     std::move(json).take();
//
// Commas are put where they belong; that what is begun is ended, and that values in objects have keys, is up to the
// caller.
//
// Source: RFC 8259.
// Tested by: base/tests/json_test.cc.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace xdpcap::cli {

/// A string with its quotes.  Characters that a terminal obeys (base/text.h) become escapes, each byte that is not UTF-8 a replacement
/// character (U+FFFD), so that it is valid, and can be shown, whatever the name of a file or program is.
std::string json_string(std::string_view text);

class JsonWriter {
 public:
  void begin_object() { begin('{'); }
  void end_object() { end('}'); }
  void begin_array() { begin('['); }
  void end_array() { end(']'); }
  JsonWriter& key(std::string_view name);
  void text(std::string_view value) { put(json_string(value)); }
  void number(std::uint64_t value) { put(std::to_string(value)); }
  void boolean(bool value) { put(value ? "true" : "false"); }
  void null() { put("null"); }

  std::string take() && { return std::move(text_); }

 private:
  void begin(char bracket);
  void end(char bracket);
  void put(std::string_view value);

  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace xdpcap::cli

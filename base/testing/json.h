// SPDX-License-Identifier: BSD-3-Clause
//
// Reading JSON, strictly: what RFC 8259 does not allow is a failure of the test, and gives null.
//
//     const Json hook = parse_json(line);
//     EXPECT_EQ(hook["captures"][0]["pid"].number(), 4242);
//
// Numbers are whole; escapes are kept as they are written.

#pragma once

#include <gtest/gtest.h>

#include <cctype>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace xdpcap::test {

class Json {
 public:
  using Object = std::map<std::string, Json>;
  using Array = std::vector<Json>;
  using Value = std::variant<std::nullptr_t, bool, std::int64_t, std::string, Array, Object>;

  Json() = default;
  explicit Json(Value value) : value_(std::move(value)) {}

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  bool boolean() const { return as<bool>(); }
  std::int64_t number() const { return as<std::int64_t>(); }
  std::string text() const { return as<std::string>(); }
  std::size_t size() const { return as<Array>().size(); }
  Json operator[](std::size_t index) const {
    const Array array = as<Array>();
    EXPECT_LT(index, array.size());
    return index < array.size() ? array[index] : Json();
  }
  Json operator[](const std::string& key) const {
    const Object object = as<Object>();
    const auto found = object.find(key);
    EXPECT_NE(found, object.end()) << key;
    return found == object.end() ? Json() : found->second;
  }

 private:
  template <typename T>
  T as() const {
    EXPECT_TRUE(std::holds_alternative<T>(value_)) << "of kind " << value_.index();
    return std::holds_alternative<T>(value_) ? std::get<T>(value_) : T{};
  }
  Value value_ = nullptr;
};

class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : text_(text) {}

  Json parse() {
    Json value = parse_value();
    skip_space();
    is_good_ = is_good_ && at_ == text_.size();
    EXPECT_TRUE(is_good_) << "no JSON from byte " << at_ << " on: " << text_;
    return is_good_ ? value : Json();
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").contains(text_[at_])) {
      ++at_;
    }
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) {
      return false;
    }
    at_ += word.size();
    return true;
  }
  void need(std::string_view word) { is_good_ = take(word) && is_good_; }

  Json parse_value() {
    skip_space();
    if (!is_good_ || at_ == text_.size()) {
      is_good_ = false;
      return Json();
    }
    switch (text_[at_]) {
      case '{': return Json(parse_object());
      case '[': return Json(parse_array());
      case '"': return Json(parse_text());
      case 't': need("true"); return Json(true);
      case 'f': need("false"); return Json(false);
      case 'n': need("null"); return Json();
      default: return Json(parse_number());
    }
  }

  Json::Object parse_object() {
    Json::Object object;
    need("{");
    skip_space();
    if (take("}")) {
      return object;
    }
    do {
      skip_space();
      const std::string key = parse_text();
      skip_space();
      need(":");
      is_good_ = is_good_ && !object.contains(key);
      object.emplace(key, parse_value());
      skip_space();
    } while (is_good_ && take(","));
    need("}");
    return object;
  }

  Json::Array parse_array() {
    Json::Array array;
    need("[");
    skip_space();
    if (take("]")) {
      return array;
    }
    do {
      array.push_back(parse_value());
      skip_space();
    } while (is_good_ && take(","));
    need("]");
    return array;
  }

  std::string parse_text() {
    std::string text;
    need("\"");
    while (is_good_ && at_ < text_.size() && text_[at_] != '"') {
      const char c = text_[at_++];
      is_good_ = static_cast<unsigned char>(c) >= ' ';
      if (c != '\\') {
        text += c;
        continue;
      }
      const char escaped = at_ < text_.size() ? text_[at_++] : '\0';
      is_good_ = is_good_ && std::string_view("\"\\/bfnrtu").contains(escaped);
      text += '\\';
      text += escaped;
    }
    need("\"");
    return text;
  }

  std::int64_t parse_number() {
    const bool is_negative = take("-");
    const std::size_t start = at_;
    std::int64_t number = 0;
    while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0) {
      number = number * 10 + (text_[at_++] - '0');
    }
    is_good_ = is_good_ && at_ > start && (text_[start] != '0' || at_ == start + 1);
    return is_negative ? -number : number;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool is_good_ = true;
};

inline Json parse_json(std::string_view text) {
  return JsonParser(text).parse();
}

}  // namespace xdpcap::test

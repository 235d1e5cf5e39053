// SPDX-License-Identifier: BSD-3-Clause

#include "base/json.h"

#include <gtest/gtest.h>

#include <string>

namespace xdpcap::cli {
namespace {

/// U+FFFD, once for each byte that is no UTF-8.
const std::string kBad = "\xef\xbf\xbd";

TEST(Json, StringsAreValidWhateverIsInThem) {
  struct Case {
    std::string_view text;
    std::string json;
  };
  using namespace std::string_view_literals;
  for (
      const Case& c : {
          Case{"", R"("")"},
          Case{"eth0", R"("eth0")"},
          Case{R"(a"b\c)", R"("a\"b\\c")"},
          Case{"\n\t\x1b\x1f \x7f\0"sv, "\"\\u000a\\u0009\\u001b\\u001f \\u007f\\u0000\""},
          // What a terminal obeys: the 8-bit CSI as UTF-8, right to left, the isolate, a tag.
          Case{"\xc2\x9b"
               "31m\xc2\xa0",
               "\"\\u009b31m\xc2\xa0\""},
          Case{"eth\xe2\x80\xae"
               "0\xe2\x81\xa6",
               R"("eth\u202e0\u2066")"},
          Case{"\xf3\xa0\x81\x81", R"("\udb40\udc41")"},
          Case{"\xc3\xa4", "\"\xc3\xa4\""},
          Case{"\xe2\x82\xac\xf0\x9f\x99\x82", "\"\xe2\x82\xac\xf0\x9f\x99\x82\""},
          Case{"\xf4\x8f\xbf\xbf\xed\x9f\xbf", "\"\xf4\x8f\xbf\xbf\xed\x9f\xbf\""},
          // No UTF-8: a lead byte without the rest, a rest without lead byte, an overlong "/", a surrogate, U+110000.
          Case{"\xc3", "\"" + kBad + "\""},
          Case{"\xe2\x82", "\"" + kBad + kBad + "\""},
          Case{"\xc3\"x", "\"" + kBad + "\\\"x\""},
          Case{"\xa4z", "\"" + kBad + "z\""},
          Case{"\xc0\xaf", "\"" + kBad + kBad + "\""},
          Case{"\xe0\x80\xaf", "\"" + kBad + kBad + kBad + "\""},
          Case{"\xed\xa0\x80", "\"" + kBad + kBad + kBad + "\""},
          Case{"\xf4\x90\x80\x80", "\"" + kBad + kBad + kBad + kBad + "\""},
          Case{"\xf0\x9f\x99z", "\"" + kBad + kBad + kBad + "z\""},
          Case{"\xff", "\"" + kBad + "\""},
      }) {
    EXPECT_EQ(json_string(c.text), c.json);
  }
}

TEST(Json, PutsCommasBetweenValues) {
  JsonWriter json;
  json.begin_object();
  json.key("a").number(18'446'744'073'709'551'615U);
  json.key("b\"").begin_array();
  json.begin_object();
  json.end_object();
  json.begin_array();
  json.end_array();
  json.text("x");
  json.boolean(true);
  json.boolean(false);
  json.null();
  json.end_array();
  json.key("c").begin_object();
  json.key("d").null();
  json.end_object();
  json.key("e").text("");
  json.end_object();
  EXPECT_EQ(
      std::move(json).take(),
      R"({"a":18446744073709551615,"b\"":[{},[],"x",true,false,null],"c":{"d":null},"e":""})");
}

}  // namespace
}  // namespace xdpcap::cli

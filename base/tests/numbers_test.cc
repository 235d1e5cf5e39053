// SPDX-License-Identifier: BSD-3-Clause

#include "base/numbers.h"

#include <gtest/gtest.h>

namespace xdpcap::cli {
namespace {

TEST(ParseNumber, ReadsTheRange) {
  EXPECT_EQ(parse_number("1", 1, 65535).value(), 1U);
  EXPECT_EQ(parse_number("65535", 1, 65535).value(), 65535U);
  EXPECT_EQ(parse_number("007", 1, 65535).value(), 7U);
  EXPECT_EQ(parse_number("18446744073709551615", 0, UINT64_MAX).value(), UINT64_MAX);
}

// As strconv.ParseUint() of Go 1.19 answers with base 0.
TEST(ParseNumber, ReadsTheNumbersOfGo) {
  struct Case {
    const char* text;
    std::uint64_t number;
  };
  constexpr Case kCases[] = {
      {"0x2000", 8192}, {"8_192", 8192}, {"0b1010", 10}, {"1_000", 1000}, {"0o17", 15},
      {"017", 15},      {"010", 8},      {"0_7", 7},     {"0x_1", 1},     {"0X1F", 31},
      {"0B1", 1},       {"0O7", 7},      {"00", 0},      {"0xC", 12},     {"1_0_0", 100},
  };
  for (const Case& one : kCases) {
    const cbpfc::Result<std::uint64_t> number = parse_number(one.text, 0, 65535);
    ASSERT_TRUE(number) << one.text;
    EXPECT_EQ(*number, one.number) << one.text;
  }
  for (const char* text : {"08", "_1", "1_", "1__0", "0x", "0b", "0b2", "0o8", "0xg", "0_x1", "0_",
                           "0x1_", "0x__1", "1e3", "x1", "0x-1", "0x+1", "0x 1", "_"}) {
    EXPECT_FALSE(parse_number(text, 0, 65535)) << text;
  }
  EXPECT_EQ(parse_number("096", 1, 65535).error().message,
            "\"096\" is not a number from 1 to 65535 (a leading 0 makes it octal)");
  EXPECT_EQ(parse_number("0xffffffffffffffff", 0, UINT64_MAX).value(), UINT64_MAX);
  EXPECT_EQ(parse_number("0x1_0000_0000_0000_0000", 0, 5).error().message,
            "0x1_0000_0000_0000_0000 is out of range, must be from 0 to 5");
}

TEST(ParseNumber, RefusesEverythingElse) {
  struct Case {
    const char* text;
    const char* message;
  };
  constexpr Case kCases[] = {
      {"", "\"\" is not a number from 1 to 65535"},
      {"x", "\"x\" is not a number from 1 to 65535"},
      {"-1", "\"-1\" is not a number from 1 to 65535"},
      {"+1", "\"+1\" is not a number from 1 to 65535"},
      {" 1", "\" 1\" is not a number from 1 to 65535"},
      {"1 ", "\"1 \" is not a number from 1 to 65535"},
      {"1k", "\"1k\" is not a number from 1 to 65535"},
      {"1.5", "\"1.5\" is not a number from 1 to 65535"},
      {"0", "0 is out of range, must be from 1 to 65535"},
      {"65536", "65536 is out of range, must be from 1 to 65535"},
      {"18446744073709551616", "18446744073709551616 is out of range, must be from 1 to 65535"},
      {"99999999999999999999999x", "\"99999999999999999999999x\" is not a number from 1 to 65535"},
  };
  for (const Case& one : kCases) {
    const cbpfc::Result<std::uint64_t> number = parse_number(one.text, 1, 65535);
    ASSERT_FALSE(number) << one.text;
    EXPECT_EQ(number.error().message, one.message);
  }
}

TEST(ParseBytes, TakesUnits) {
  EXPECT_EQ(parse_bytes("0", 0, 10).value(), 0U);
  EXPECT_EQ(parse_bytes("1500", 1, 65535).value(), 1500U);
  EXPECT_EQ(parse_bytes("63K", 1, 65535).value(), 63U << 10U);
  EXPECT_EQ(parse_bytes("64m", 1, UINT64_MAX).value(), 64U << 20U);
  EXPECT_EQ(parse_bytes("0x40K", 1, UINT64_MAX).value(), 64U << 10U);
  EXPECT_EQ(parse_bytes("1_024k", 1, UINT64_MAX).value(), 1U << 20U);
  EXPECT_EQ(parse_bytes("3G", 1, UINT64_MAX).value(), 3ULL << 30U);
  EXPECT_EQ(parse_bytes("17179869183G", 1, UINT64_MAX).value(), 17179869183ULL << 30U);
}

TEST(ParseBytes, RefusesEverythingElse) {
  struct Case {
    const char* text;
    const char* message;
  };
  constexpr Case kCases[] = {
      {"", "\"\" is not a number from 100 to 65535"},
      {"K", "\"K\" is not a number from 100 to 65535"},
      {"1KB", "\"1KB\" is not a number from 100 to 65535"},
      {"1KK", "\"1KK\" is not a number from 100 to 65535"},
      {"1.5K", "\"1.5K\" is not a number from 100 to 65535"},
      {"-1K", "\"-1K\" is not a number from 100 to 65535"},
      {"1 K", "\"1 K\" is not a number from 100 to 65535"},
      {"1T", "\"1T\" is not a number from 100 to 65535"},
      {"99", "99 is out of range, must be from 100 to 65535"},
      {"0M", "0M is out of range, must be from 100 to 65535"},
      {"64K", "64K is out of range, must be from 100 to 65535"},
      {"18014398509481985K", "18014398509481985K is out of range, must be from 100 to 65535"},
  };
  for (const Case& one : kCases) {
    const cbpfc::Result<std::uint64_t> number = parse_bytes(one.text, 100, 65535);
    ASSERT_FALSE(number) << one.text;
    EXPECT_EQ(number.error().message, one.message);
  }
}

TEST(ParseBool, ReadsGoSpellings) {
  for (const char* text : {"true", "True", "TRUE", "t", "T", "1"}) {
    EXPECT_TRUE(parse_bool(text).value()) << text;
  }
  for (const char* text : {"false", "False", "FALSE", "f", "F", "0"}) {
    EXPECT_FALSE(parse_bool(text).value()) << text;
  }
  for (const char* text : {"", "yes", "no", "2", "tRUE"}) {
    EXPECT_FALSE(parse_bool(text)) << text;
  }
}

}  // namespace
}  // namespace xdpcap::cli

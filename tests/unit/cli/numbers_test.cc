// SPDX-License-Identifier: BSD-3-Clause

#include "cli/numbers.h"

#include <gtest/gtest.h>

namespace xdpcap::cli {
namespace {

TEST(ParseNumber, ReadsTheRange) {
  EXPECT_EQ(parse_number("1", 1, 65535).value(), 1U);
  EXPECT_EQ(parse_number("65535", 1, 65535).value(), 65535U);
  EXPECT_EQ(parse_number("007", 1, 65535).value(), 7U);
  EXPECT_EQ(parse_number("18446744073709551615", 0, UINT64_MAX).value(), UINT64_MAX);
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
      {"0x10", "\"0x10\" is not a number from 1 to 65535"},
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

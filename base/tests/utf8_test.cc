// SPDX-License-Identifier: BSD-3-Clause

#include <gtest/gtest.h>

#include <cstdint>

#include "base/text.h"

namespace xdpcap::cli {
namespace {

TEST(Utf8, CharactersHaveCodePoints) {
  const struct {
    std::string_view character;
    char32_t code_point;
  } cases[] = {
      {std::string_view("\0", 1), 0},
      {"\x7f", 0x7f},
      {"\xc2\x80", 0x80},
      {"\xdf\xbf", 0x7ff},
      {"\xe0\xa0\x80", 0x800},
      {"\xe2\x80\xae", 0x202e},
      {"\xef\xbf\xbf", 0xffff},
      {"\xf0\x90\x80\x80", 0x10000},
      {"\xf0\x9f\x99\x82", 0x1f642},
      {"\xf4\x8f\xbf\xbf", 0x10ffff},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(character_bytes(one.character), one.character.size());
    EXPECT_EQ(code_point(one.character), one.code_point);
  }
}

TEST(Utf8, WhatATerminalObeysIsTold) {
  // Controls of 7 and of 8 bits, soft hyphen, the directions of writing, separators of lines, what has no width, tags.
  for (const char32_t obeyed :
       {0x00U,   0x0aU,   0x1bU,   0x1fU,   0x7fU,   0x80U,   0x9bU,    0x9fU,
        0xadU,   0x61cU,  0x200bU, 0x200eU, 0x200fU, 0x2028U, 0x2029U,  0x202aU,
        0x202eU, 0x2060U, 0x2066U, 0x2069U, 0xfeffU, 0xfff9U, 0xe0001U, 0xe0041U}) {
    EXPECT_TRUE(is_obeyed(obeyed)) << static_cast<std::uint32_t>(obeyed);
  }
  for (const char32_t shown : {0x20U, 0x7eU, 0xa0U, 0xe4U, 0x3b1U, 0x5d0U, 0x2010U, 0x202fU,
                               0x20acU, 0x2065U, 0xfffdU, 0x1f642U, 0x10ffffU}) {
    EXPECT_FALSE(is_obeyed(shown)) << static_cast<std::uint32_t>(shown);
  }
}

}  // namespace
}  // namespace xdpcap::cli

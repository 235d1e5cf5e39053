// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/pcapng/block.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "base/text.h"

namespace xdpcap {
namespace {

TEST(Block, OptionsArePaddedAndTheBlockEndsWithItsLength) {
  std::vector<std::uint8_t> bytes(12 + 4 + 8 + 4 + 8, 0xee);
  BlockWriter block(bytes.data(), BlockType::InterfaceStatistics, bytes.size());
  block.put(std::uint32_t{0x01020304});
  block.put_option(2, as_bytes("abc"));
  block.end(8);
  const std::vector<std::uint8_t> expected = {5, 0, 0, 0, 36,  0,   0,   0, 4,  3,    2, 1,
                                              2, 0, 3, 0, 'a', 'b', 'c', 0, 0,  0x80, 4, 0,
                                              0, 0, 0, 0, 0,   0,   0,   0, 36, 0,    0, 0};
  EXPECT_EQ(bytes, expected);
}

TEST(Block, FillerIsANameResolutionBlockWithoutNames) {
  for (std::size_t length = kMinFillerBytes; length <= 4096; length += 4) {
    std::vector<std::uint8_t> bytes(length + 1, 0xee);
    write_filler(bytes.data(), length);
    EXPECT_EQ(load_le32(bytes.data()), 4U);
    EXPECT_EQ(load_le32(bytes.data() + 4), length);
    EXPECT_EQ(load_le32(bytes.data() + length - 4), length);
    EXPECT_EQ(load_le32(bytes.data() + length - 8), 0U) << "end of records";
    EXPECT_EQ(bytes[length], 0xee) << "wrote beyond its end";
    if (length > kMinFillerBytes) {
      EXPECT_EQ(load_le32(bytes.data() + 8), 0x8000U + ((length - 20) << 16)) << "the record";
    }
  }
}

TEST(Block, CutTextEndsBetweenCharacters) {
  struct Case {
    std::string text;
    std::size_t max_bytes;
    std::string expected;
  };
  const std::vector<Case> cases = {
      {"abc", 3, "abc"},
      {"abc", 2, "ab"},
      {"abc", 0, ""},
      {"a\xc3\xa4z", 2, "a"},  // two bytes
      {"a\xc3\xa4z", 3, "a\xc3\xa4"},
      {"a\xe2\x82\xac", 3, "a"},                    // three
      {"\xf0\x9f\x90\x9d!", 3, ""},                 // four
      {"\x80\x80\x80\x80\x80\x80", 5, "\x80\x80"},  // no text at all: loses three bytes, not all
  };
  for (const Case& c : cases) {
    EXPECT_EQ(cut_text(c.text, c.max_bytes), c.expected) << c.text << " at " << c.max_bytes;
  }
}

TEST(Block, WholeBlocksEndAtTheLastBlockWithinTheLimit) {
  std::vector<std::uint8_t> bytes(16 + 20 + 24);
  write_filler(bytes.data(), 16);
  write_filler(bytes.data() + 16, 20);
  write_filler(bytes.data() + 36, 24);
  for (std::size_t limit = 0; limit <= bytes.size(); ++limit) {
    const std::size_t expected = limit < 16 ? 0 : limit < 36 ? 16 : limit < 60 ? 36 : 60;
    EXPECT_EQ(whole_blocks_bytes(bytes, limit), expected) << limit;
  }
}

TEST(Block, LengthsThatMakeNoSenseEndTheWalk) {
  for (const std::uint32_t length : {0U, 4U, 8U, 13U, 18U, 24U, 0xfffffffcU}) {
    std::vector<std::uint8_t> bytes(20);
    store_le(bytes.data() + 4, length);
    EXPECT_EQ(first_block_bytes(bytes), bytes.size()) << length;
    EXPECT_EQ(whole_blocks_bytes(bytes, bytes.size() - 1), 0U) << length;
  }
  EXPECT_EQ(first_block_bytes(std::vector<std::uint8_t>(7)), 7U);
  EXPECT_EQ(whole_blocks_bytes({}, 100), 0U);
}

}  // namespace
}  // namespace xdpcap

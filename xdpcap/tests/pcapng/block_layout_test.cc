// SPDX-License-Identifier: BSD-3-Clause

#include <gtest/gtest.h>

#include <vector>

#include "xdpcap/pcapng/block.h"

namespace xdpcap {
namespace {

TEST(BlockLayout, UsableBoundary) {
  struct Case {
    std::uint32_t boundary;
    std::uint64_t start;
    std::uint32_t expected;
  };
  const std::vector<Case> cases = {
      {0, 0, 0},
      {4096, 0, 4096},
      {4096, 4, 4096},
      {4096, 1, 0},
      {4096, 4098, 0},
      {4095, 0, 0},
      {16, 0, 0},
      {32, 0, 32},
      {65536, 0, 65536},
      {65540, 0, 0},
      {4096, 1ULL << 40, 4096},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(usable_boundary(c.boundary, c.start), c.expected) << c.boundary << " " << c.start;
  }
}

TEST(BlockLayout, Places) {
  struct Case {
    const char* what;
    std::uint64_t offset;
    std::size_t block;
    bool may_fill;
    BlockPosition expected;
  };
  const std::vector<Case> cases = {
      {"fits", 0, 100, true, {0, 0}},
      {"ends at the boundary", 4000, 96, true, {0, 0}},
      {"would cross", 4000, 100, true, {96, 0}},
      {"leaves 16", 0, 4080, true, {0, 0}},
      {"would leave 12", 0, 4084, true, {0, 12}},
      {"would leave 8", 0, 4088, true, {0, 8}},
      {"would leave 4", 0, 4092, true, {0, 4}},
      {"crosses and would leave 4 of the next", 4080, 4092, true, {16, 4}},
      {"as long as the boundary", 4080, 4096, true, {16, 0}},
      {"longer than the boundary", 4080, 4200, true, {0, 0}},
      {"longer, would leave 12", 4080, 4100, true, {0, 12}},
      {"longer, leaves 8 in its last page", 0, 8184, true, {0, 8}},
      {"a section header is not filled before", 4000, 100, false, {0, 0}},
      {"no room for a filler after somebody's bytes", 4092, 100, true, {0, 0}},
      {"the same far into the file", (1ULL << 40) + 4000, 100, true, {96, 0}},
  };
  for (const Case& c : cases) {
    const BlockPosition place = position_block(c.offset, c.block, 4096, c.may_fill);
    EXPECT_EQ(place.filler_bytes, c.expected.filler_bytes) << c.what;
    EXPECT_EQ(place.padding_bytes, c.expected.padding_bytes) << c.what;
  }
}

TEST(BlockLayout, NoBoundaryNoFiller) {
  EXPECT_EQ(position_block(4000, 100, 0), BlockPosition{});
}

/// From every place a block can end at, a block of every length lies within a page and leaves no
/// gap that cannot be filled.
TEST(BlockLayout, HoldsEverywhere) {
  constexpr std::uint32_t kBoundary = 256;
  for (std::uint64_t offset = 0; offset < kBoundary; offset += 4) {
    if (offset != 0 && kBoundary - offset < kMinFillerBytes) {
      continue;  // no block ends here
    }
    for (std::size_t block = 16; block <= 3 * kBoundary; block += 4) {
      const BlockPosition place = position_block(offset, block, kBoundary);
      const std::uint64_t start = offset + place.filler_bytes;
      const std::uint64_t end = start + block + place.padding_bytes;
      if (block <= kBoundary) {
        EXPECT_EQ(start / kBoundary, (end - 1) / kBoundary) << offset << " " << block;
      } else {
        EXPECT_EQ(place.filler_bytes, 0U);
      }
      if (place.filler_bytes > 0) {
        EXPECT_GE(place.filler_bytes, kMinFillerBytes);
        EXPECT_EQ(start % kBoundary, 0U);
      }
      EXPECT_TRUE(end % kBoundary == 0 || kBoundary - end % kBoundary >= kMinFillerBytes)
          << offset << " " << block;
      EXPECT_LE(place.padding_bytes, 12U);
      EXPECT_EQ(place.padding_bytes % 4, 0U);
    }
  }
}

}  // namespace
}  // namespace xdpcap

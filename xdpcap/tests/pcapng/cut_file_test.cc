// SPDX-License-Identifier: BSD-3-Clause
//
// A file cut at any page boundary is a file every reader reads to its end.

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "xdpcap/pcapng/block.h"
#include "xdpcap/pcapng/pcapng_writer.h"
#include "xdpcap/tests/pcapng/capture_files.h"
#include "xdpcap/tests/pcapng/memory_sink.h"

namespace xdpcap {
namespace {

using test::make_bytes;
using test::make_section;

constexpr std::uint32_t kPageBytes = 4096;

struct Written {
  std::vector<std::uint8_t> bytes;
  std::uint64_t packets = 0;
};

/// A capture of packets of `min_bytes` to `max_bytes`, with and without each option.
Written write_random(std::uint32_t seed, std::uint64_t packets, std::uint32_t min_bytes,
                     std::uint32_t max_bytes, MemorySinkOptions options) {
  std::mt19937 random(seed);
  MemorySink sink(options);
  PcapngSection section = make_section(5);
  section.application.append(seed % 97, 'x');  // moves everything
  for (PcapngInterface& interface : section.interfaces) {
    interface.filter.append(random() % 900, 'y');
  }
  auto writer = PcapngWriter::start(sink, section);
  EXPECT_TRUE(writer.has_value());
  const auto bytes = make_bytes(max_bytes, seed);
  const std::string comment(300, 'c');
  for (std::uint64_t i = 0; i < packets; ++i) {
    const std::uint32_t size =
        min_bytes + static_cast<std::uint32_t>(random()) % (max_bytes - min_bytes + 1);
    EXPECT_TRUE(writer
                    ->write({.interface = static_cast<std::uint32_t>(random()) % 5,
                             .wall_time_ns = 1'700'000'000'000'000'000 + i,
                             .wire_length_bytes = size,
                             .bytes = std::span(bytes).first(size),
                             .xdp_verdict = random() % 5,
                             .queue = 0,
                             .lost_before_packets = random() % 3,
                             .comment = random() % 4 == 0 && size < 3000
                                            ? std::string_view(comment).substr(random() % 300)
                                            : std::string_view()})
                    .has_value());
  }
  EXPECT_TRUE(writer->write_statistics(std::vector<PcapngStatistics>(5)).has_value());
  return {.bytes = sink.bytes(), .packets = packets};
}

TEST(CutFile, LibpcapReadsEveryCut) {
  struct Case {
    std::uint32_t max_bytes;
    std::uint64_t packets;  // fewer of the long ones: reading every cut from its start is quadratic
  };
  for (const Case& c : {Case{60, 4000}, Case{200, 4000}, Case{1500, 3000}, Case{4000, 1200}}) {
    const Written file =
        write_random(c.max_bytes, c.packets, 1, c.max_bytes, {.boundary_bytes = kPageBytes});
    const auto whole = test::read_with_libpcap(file.bytes);
    EXPECT_EQ(whole.error, "");
    EXPECT_EQ(whole.packets, file.packets);
    std::uint64_t last_packets = 0;
    for (std::size_t cut = kPageBytes; cut < file.bytes.size(); cut += kPageBytes) {
      const auto result = test::read_with_libpcap(std::span(file.bytes).first(cut));
      ASSERT_EQ(result.error, "") << c.max_bytes << " cut at " << cut;
      ASSERT_GE(result.packets, last_packets);
      last_packets = result.packets;
    }
    EXPECT_GT(last_packets, file.packets - 50);
  }
}

/// The same by the lengths alone, for many more files.
TEST(CutFile, NoBlockCrossesABoundary) {
  std::uint64_t padded = 0;
  std::uint64_t fillers = 0;
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    const Written file = write_random(seed, 300, 1, 1 + seed * 13, {.boundary_bytes = kPageBytes});
    for (const auto& block : test::walk_blocks(file.bytes)) {
      const std::uint64_t end = block.offset + block.bytes.size();
      ASSERT_TRUE(block.bytes.size() > kPageBytes ||
                  block.offset / kPageBytes == (end - 1) / kPageBytes)
          << "seed " << seed << " offset " << block.offset << " type " << block.type;
      fillers += BlockType{block.type} == BlockType::NameResolution ? 1 : 0;
      padded += end % kPageBytes == 0 && BlockType{block.type} != BlockType::NameResolution ? 1 : 0;
    }
  }
  EXPECT_GT(fillers, 1000U);
  EXPECT_GT(padded, 100U);
}

TEST(CutFile, OnlyBlocksLongerThanAPageCanBeCut) {
  const Written file = write_random(5, 500, 1, 65535, {.boundary_bytes = kPageBytes});
  const auto blocks = test::walk_blocks(file.bytes);
  std::size_t at = 0;
  std::uint64_t long_blocks = 0;
  for (std::size_t cut = kPageBytes; cut < file.bytes.size(); cut += kPageBytes) {
    while (blocks[at].offset + blocks[at].bytes.size() < cut) {
      ++at;
    }
    const bool is_whole = blocks[at].offset + blocks[at].bytes.size() == cut;
    ASSERT_TRUE(is_whole || blocks[at].bytes.size() > kPageBytes) << cut;
    long_blocks += is_whole ? 0 : 1;
  }
  EXPECT_GT(long_blocks, 0U);
  const auto whole = test::read_with_libpcap(file.bytes);
  EXPECT_EQ(whole.error, "");
  EXPECT_EQ(whole.packets, file.packets);
}

/// A file appended to: boundaries are those of the file, not of what we add.
TEST(CutFile, CountsFromTheStartOffset) {
  for (const std::uint64_t start : {4U, 2000U, 4080U, 4084U, 4092U, 4096U, 8196U}) {
    const Written file = write_random(11, 2000, 1, 1500,
                                      {.boundary_bytes = kPageBytes, .start_offset_bytes = start});
    bool is_first = true;
    for (const auto& block : test::walk_blocks(file.bytes)) {
      const std::uint64_t offset = start + block.offset;
      const std::uint64_t end = offset + block.bytes.size();
      // What stands before our section header is not ours to fill.
      ASSERT_TRUE(is_first || offset / kPageBytes == (end - 1) / kPageBytes)
          << start << ": " << block.offset;
      ASSERT_TRUE(!is_first || BlockType{block.type} == BlockType::SectionHeader);
      is_first = false;
    }
  }
}

TEST(CutFile, NoFillerWithoutABoundaryOrWhereItCannotBeMet) {
  for (const MemorySinkOptions& options :
       {MemorySinkOptions{},
        MemorySinkOptions{.boundary_bytes = kPageBytes, .start_offset_bytes = 4097}}) {
    const Written file = write_random(12, 2000, 1, 1500, options);
    for (const auto& block : test::walk_blocks(file.bytes)) {
      ASSERT_NE(BlockType{block.type}, BlockType::NameResolution);
    }
  }
}

TEST(CutFile, ToolsReadCuts) {
  const test::TemporaryDirectory directory;
  const Written file = write_random(13, 3000, 1, 1500, {.boundary_bytes = kPageBytes});
  const std::string path = directory.path("cut.pcapng");
  for (const std::size_t pages : {1U, 2U, 3U, 7U, 100U, 500U}) {
    ASSERT_LT(pages * kPageBytes, file.bytes.size());
    test::write_file(path, std::span(file.bytes).first(pages * kPageBytes));
    test::expect_tools_read(path);
  }
  test::write_file(path, file.bytes);
  test::expect_tools_read(path);
}

/// Breaks the rule on purpose: the readers used above do complain about a block cut in two.
TEST(CutFile, ReadersComplainWithoutTheBoundary) {
  const test::TemporaryDirectory directory;
  const Written file = write_random(14, 3000, 1, 1500, {});
  EXPECT_NE(test::read_with_libpcap(std::span(file.bytes).first(100 * kPageBytes)).error, "");
  const std::string path = directory.path("cut.pcapng");
  test::write_file(path, std::span(file.bytes).first(100 * kPageBytes));
  for (const std::string tool : {"tshark -n -r ", "capinfos ", "tcpdump -nn -r "}) {
    const auto result = test::run(tool + path);
    EXPECT_NE(result.complaints, "") << tool;
  }
}

}  // namespace
}  // namespace xdpcap

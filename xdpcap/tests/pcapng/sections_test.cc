// SPDX-License-Identifier: BSD-3-Clause
//
// A file of several sections, as a flight recorder writes it.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
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

constexpr std::uint32_t kFilePageBytes = 4096;

std::vector<BlockType> types_of(const std::vector<std::uint8_t>& file) {
  std::vector<BlockType> types;
  for (const auto& block : test::walk_blocks(file)) {
    types.push_back(BlockType{block.type});
  }
  return types;
}

/// `sections` of them, with `packets` packets each, of `bytes` bytes.
std::vector<std::uint8_t> write_sections(std::uint32_t sections, std::uint32_t packets,
                                         std::uint32_t bytes, const MemorySinkOptions& options) {
  MemorySink sink(options);
  PcapngWriter writer(sink);
  const auto packet = make_bytes(bytes, bytes);
  for (std::uint32_t i = 0; i < sections; ++i) {
    PcapngSection section = make_section(2);
    section.comment = fmt::format("section {}", i);
    EXPECT_TRUE(writer.begin_section(section).has_value());
    for (std::uint32_t j = 0; j < packets; ++j) {
      EXPECT_TRUE(writer
                      .write({.interface = j % 2,
                              .wall_time_ns = 1'700'000'000'000'000'000U + i * 1'000 + j,
                              .wire_length_bytes = bytes,
                              .bytes = packet})
                      .has_value());
    }
    EXPECT_TRUE(writer.flush().has_value());
    const std::vector<PcapngStatistics> statistics = {
        {.accepted = 9, .overwritten = 9 - i, .delivered = writer.delivered(0)},
        {.accepted = 8, .delivered = writer.delivered(1)}};
    EXPECT_TRUE(writer.write_statistics(statistics).has_value());
  }
  return sink.bytes();
}

TEST(Sections, FollowOneAnotherAndCountOn) {
  MemorySink sink;
  PcapngWriter writer(sink);
  EXPECT_EQ(sink.write_calls(), 0U);
  const auto packet = make_bytes(60, 1);
  ASSERT_TRUE(writer.begin_section(make_section(1)).has_value());
  ASSERT_TRUE(writer.write({.wire_length_bytes = 60, .bytes = packet}).has_value());
  ASSERT_TRUE(writer.write_statistics(std::vector<PcapngStatistics>(1)).has_value());
  ASSERT_TRUE(writer.begin_section(make_section(1)).has_value());
  EXPECT_EQ(writer.delivered(0), 1U);
  ASSERT_TRUE(writer.write({.wire_length_bytes = 60, .bytes = packet}).has_value());
  ASSERT_TRUE(writer.write({.wire_length_bytes = 60, .bytes = packet}).has_value());
  ASSERT_TRUE(writer.write_statistics(std::vector<PcapngStatistics>(1)).has_value());
  EXPECT_EQ(writer.delivered(0), 3U);
  using enum BlockType;
  EXPECT_EQ(types_of(sink.bytes()),
            (std::vector{SectionHeader, InterfaceDescription, EnhancedPacket, InterfaceStatistics,
                         SectionHeader, InterfaceDescription, EnhancedPacket, EnhancedPacket,
                         InterfaceStatistics}));
}

TEST(Sections, PacketsBufferedBeforeTheNextSectionAreWrittenInTheirs) {
  MemorySink sink;
  PcapngWriter writer(sink);
  const auto packet = make_bytes(60, 1);
  ASSERT_TRUE(writer.begin_section(make_section(1)).has_value());
  ASSERT_TRUE(writer.write({.wire_length_bytes = 60, .bytes = packet}).has_value());
  ASSERT_TRUE(writer.begin_section(make_section(1)).has_value());
  EXPECT_EQ(writer.delivered(0), 1U);
  using enum BlockType;
  EXPECT_EQ(types_of(sink.bytes()),
            (std::vector{SectionHeader, InterfaceDescription, EnhancedPacket, SectionHeader,
                         InterfaceDescription}));
}

TEST(Sections, ThereIsNoPacketBeforeTheFirst) {
  MemorySink sink;
  PcapngWriter writer(sink);
  const auto packet = writer.write({.interface = 0});
  ASSERT_FALSE(packet.has_value());
  EXPECT_EQ(packet.error().code, Errc::InvalidArgument);
  EXPECT_FALSE(writer.write_statistics(std::vector<PcapngStatistics>(1)).has_value());
  EXPECT_TRUE(writer.flush().has_value());
  EXPECT_EQ(writer.delivered(0), 0U);
  EXPECT_EQ(sink.write_calls(), 0U);
}

TEST(Sections, TheirSnapshotLengthHolds) {
  MemorySink sink;
  PcapngWriter writer(sink);
  PcapngSection section = make_section(1);
  section.snaplen_bytes = 10;
  const auto packet = make_bytes(60, 1);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(writer.begin_section(section).has_value());
    ASSERT_TRUE(writer.write({.wire_length_bytes = 60, .bytes = packet}).has_value());
    ASSERT_TRUE(writer.flush().has_value());
    const auto blocks = test::walk_blocks(sink.bytes());
    EXPECT_EQ(load_le32(blocks.back().bytes.data() + 20), 10U);
  }
}

TEST(Sections, ASectionThatFailsIsNotCountedAndAnotherCanBegin) {
  MemorySink sink;
  PcapngWriter writer(sink);
  const auto packet = make_bytes(60, 1);
  ASSERT_TRUE(writer.begin_section(make_section(1)).has_value());
  ASSERT_TRUE(writer.write({.wire_length_bytes = 60, .bytes = packet}).has_value());
  ASSERT_TRUE(writer.flush().has_value());
  sink.set_fail_after_bytes(sink.bytes().size() + 20);
  EXPECT_FALSE(writer.begin_section(make_section(1)).has_value());
  EXPECT_EQ(writer.delivered(0), 1U);
  sink.set_fail_after_bytes(1 << 20);
  ASSERT_TRUE(writer.begin_section(make_section(1)).has_value());
  ASSERT_TRUE(writer.write({.wire_length_bytes = 60, .bytes = packet}).has_value());
  ASSERT_TRUE(writer.flush().has_value());
  EXPECT_EQ(writer.delivered(0), 2U);
  EXPECT_EQ(test::read_with_libpcap(sink.bytes()).packets, 2U);
}

// Between two sections of ours, a filler belongs to the first of them.
TEST(Sections, NoBlockOfThemCrossesAPage) {
  std::uint64_t before_header = 0;
  for (std::uint32_t bytes = 1; bytes <= 1500; bytes += 7) {
    const auto file = write_sections(30, 5, bytes, {.boundary_bytes = kFilePageBytes});
    BlockType last{};
    for (const auto& block : test::walk_blocks(file)) {
      const std::uint64_t end = block.offset + block.bytes.size();
      ASSERT_EQ(block.offset / kFilePageBytes, (end - 1) / kFilePageBytes)
          << bytes << " offset " << block.offset << " type " << block.type;
      before_header +=
          last == BlockType::NameResolution && BlockType{block.type} == BlockType::SectionHeader
              ? 1
              : 0;
      last = BlockType{block.type};
    }
  }
  EXPECT_GT(before_header, 10U) << "no section header needed a filler, this tests nothing";
}

TEST(Sections, LibpcapReadsEveryPageOfThem) {
  const auto file = write_sections(50, 40, 300, {.boundary_bytes = kFilePageBytes});
  std::uint64_t last_packets = 0;
  for (std::size_t cut = kFilePageBytes; cut < file.size(); cut += kFilePageBytes) {
    const auto result = test::read_with_libpcap(std::span(file).first(cut));
    ASSERT_EQ(result.error, "") << cut;
    ASSERT_GE(result.packets, last_packets);
    last_packets = result.packets;
  }
  EXPECT_EQ(test::read_with_libpcap(file).packets, 2000U);
}

TEST(Sections, ToolsReadThem) {
  const test::TemporaryDirectory directory;
  const std::string path = directory.path("sections.pcapng");
  for (const std::uint32_t boundary : {0U, kFilePageBytes}) {
    SCOPED_TRACE(boundary);
    test::write_file(path, write_sections(3, 2, 60, {.boundary_bytes = boundary}));
    test::expect_tools_read(path);
    const auto tshark = test::run(
        "tshark -n -T fields -E separator=';' -e frame.interface_name -e frame.time_epoch -r " +
        path);
    EXPECT_EQ(tshark.output,
              "if0;1700000000.000000000\nif1;1700000000.000000001\n"
              "if0;1700000000.000001000\nif1;1700000000.000001001\n"
              "if0;1700000000.000002000\nif1;1700000000.000002001\n");
    const auto tcpdump = test::run("tcpdump --count -nn -r " + path);
    EXPECT_EQ(tcpdump.output, "6 packets\n");
    const auto comments = test::run(
        "tshark -n -X 'read_format:MIME Files Format' -T fields -E separator=';' "
        "-e pcapng.options.option.data.comment -e pcapng.options.option.data.interface."
        "delivered_to_user -r " +
        path);
    EXPECT_EQ(comments.output,
              "section 0,9 matching packets overwritten in the flight recorder,"
              "section 1,8 matching packets overwritten in the flight recorder,"
              "section 2,7 matching packets overwritten in the flight recorder;1,1,2,2,3,3\n");
  }
}

}  // namespace
}  // namespace xdpcap

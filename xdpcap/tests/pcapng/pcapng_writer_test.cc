// SPDX-License-Identifier: BSD-3-Clause
//
// The bytes of a small file are those of the worked hexdump in docs/pcapng.md: this test reads them
// from there, so the document cannot be wrong.

#include "xdpcap/pcapng/pcapng_writer.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "xdpcap/pcapng/block.h"
#include "xdpcap/tests/pcapng/capture_files.h"
#include "xdpcap/tests/pcapng/memory_sink.h"

namespace xdpcap {
namespace {

using test::BlockView;
using test::make_bytes;
using test::make_section;
using test::walk_blocks;

/// The bytes in docs/pcapng.md: lines "0010  0a 0d ...  | explanation".
std::vector<std::uint8_t> documented_bytes() {
  std::ifstream document(XDPCAP_SOURCE_DIR "/docs/pcapng.md");
  std::vector<std::uint8_t> bytes;
  for (std::string line; std::getline(document, line);) {
    const std::size_t bar = line.find('|');
    if (bar == std::string::npos || line.size() < 8 || line.substr(4, 2) != "  " ||
        line.substr(0, 4) != fmt::format("{:04x}", bytes.size())) {
      continue;
    }
    for (std::size_t at = 6; at + 1 < bar && line[at] != ' '; at += 3) {
      bytes.push_back(static_cast<std::uint8_t>(std::stoul(line.substr(at, 2), nullptr, 16)));
    }
  }
  return bytes;
}

std::string hexdump(const std::vector<std::uint8_t>& bytes) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 4) {
    text += fmt::format("{:04x} ", at);
    for (std::size_t i = at; i < at + 4 && i < bytes.size(); ++i) {
      text += fmt::format(" {:02x}", bytes[i]);
    }
    text += "\n";
  }
  return text;
}

TEST(PcapngWriter, WritesTheDocumentedBytes) {
  MemorySink sink;
  PcapngSection section;
  section.os = "Linux";
  section.application = "xdpcap";
  section.interfaces = {{.name = "XDPDrop", .description = "drop", .filter = "ip"}};
  auto writer = PcapngWriter::start(sink, section);
  ASSERT_TRUE(writer.has_value());
  const std::vector<std::uint8_t> bytes = {0xde, 0xad, 0xbe, 0xef, 0x01};
  ASSERT_TRUE(writer
                  ->write({.interface = 0,
                           .wall_time_ns = 0x1122334455667788,
                           .wire_length_bytes = 60,
                           .bytes = bytes,
                           .xdp_verdict = 1,
                           .queue = 3,
                           .lost_before_packets = 2,
                           .comment = "hi"})
                  .has_value());
  const std::vector<PcapngStatistics> statistics = {{.start_ns = 0x1122334400000000,
                                                     .end_ns = 0x1122334500000000,
                                                     .received = 10,
                                                     .accepted = 3,
                                                     .dropped = 2,
                                                     .delivered = 1}};
  ASSERT_TRUE(writer->write_statistics(statistics).has_value());

  const auto expected = documented_bytes();
  ASSERT_GT(expected.size(), 300U) << "docs/pcapng.md has no hexdump";
  EXPECT_EQ(hexdump(sink.bytes()), hexdump(expected));
}

TEST(PcapngWriter, SendsTheHeadersAtOnceAndPacketsInLargeWrites) {
  MemorySink sink;
  auto writer = PcapngWriter::start(sink, make_section(5));
  ASSERT_TRUE(writer.has_value());
  EXPECT_EQ(sink.write_calls(), 1U);
  EXPECT_EQ(walk_blocks(sink.bytes()).size(), 6U);
  const auto bytes = make_bytes(1000, 1);
  for (int i = 0; i < 10000; ++i) {
    ASSERT_TRUE(writer->write({.wire_length_bytes = 1000, .bytes = bytes}).has_value());
  }
  EXPECT_EQ(sink.write_calls(), 1U + 10000 * 1068 / (1 << 20));
  ASSERT_TRUE(writer->flush().has_value());
  EXPECT_EQ(writer->delivered(0), 10000U);
  EXPECT_EQ(sink.bytes().size() % 1068, walk_blocks(sink.bytes())[6].offset % 1068);
}

TEST(PcapngWriter, AnEmptyFlushWritesNothing) {
  MemorySink sink;
  auto writer = PcapngWriter::start(sink, make_section(1));
  ASSERT_TRUE(writer.has_value());
  ASSERT_TRUE(writer->flush().has_value());
  EXPECT_EQ(sink.write_calls(), 1U);
}

struct LengthCase {
  const char* what;
  std::uint32_t snaplen;
  std::size_t bytes;
  std::uint32_t wire;
  std::uint32_t expected_captured;
  std::uint32_t expected_wire;
};

TEST(PcapngWriter, PacketLengths) {
  const std::vector<LengthCase> cases = {
      {"empty", 65535, 0, 0, 0, 0},
      {"one byte", 65535, 1, 1, 1, 1},
      {"truncated by the kernel", 65535, 60, 9000, 60, 9000},
      {"wire length too small", 65535, 60, 10, 60, 60},
      {"largest", 65535, 65535, 65535, 65535, 65535},
      {"more than the snapshot length", 64, 100, 100, 64, 100},
      {"snapshot length 0 is no limit", 0, 1000, 1000, 1000, 1000},
      {"more than any packet", 0, 70000, 70000, 65535, 70000},
      {"more than any packet, large snapshot length", 262144, 70000, 70000, 65535, 70000},
  };
  for (const LengthCase& c : cases) {
    SCOPED_TRACE(c.what);
    MemorySink sink;
    PcapngSection section = make_section(1);
    section.snaplen_bytes = c.snaplen;
    auto writer = PcapngWriter::start(sink, section);
    ASSERT_TRUE(writer.has_value());
    const auto bytes = make_bytes(c.bytes, 7);
    ASSERT_TRUE(writer->write({.wire_length_bytes = c.wire, .bytes = bytes}).has_value());
    ASSERT_TRUE(writer->flush().has_value());
    const auto blocks = walk_blocks(sink.bytes());
    ASSERT_EQ(blocks.size(), 3U);
    const auto packet = blocks[2].bytes;
    EXPECT_EQ(load_le32(packet.data() + 20), c.expected_captured);
    EXPECT_EQ(load_le32(packet.data() + 24), c.expected_wire);
    EXPECT_TRUE(
        std::equal(bytes.begin(), bytes.begin() + c.expected_captured, packet.begin() + 28));
    EXPECT_EQ(test::read_with_libpcap(sink.bytes()).error, "");
  }
}

/// The value of option `code` after the fixed part of a block, or nothing.
std::vector<std::uint8_t> option_value(const BlockView& block, std::size_t fixed_bytes,
                                       std::uint32_t code) {
  std::size_t at = 8 + fixed_bytes;
  while (at + 4 < block.bytes.size()) {
    const std::uint32_t head = load_le32(block.bytes.data() + at);
    const std::size_t length = head >> 16;
    if ((head & 0xffff) == code) {
      const auto value = block.bytes.subspan(at + 4, length);
      return {value.begin(), value.end()};
    }
    at += option_bytes(length);
  }
  return {};
}

TEST(PcapngWriter, TextThatNoOptionCanHoldIsCut) {
  const std::string longest(65535, 'x');
  const std::string longer = longest + "yz";
  MemorySink sink;
  PcapngSection section;
  section.hardware = section.os = section.application = longer;
  section.interfaces = {{.name = longer, .description = longer, .filter = longer}};
  auto writer = PcapngWriter::start(sink, section);
  ASSERT_TRUE(writer.has_value());
  const auto bytes = make_bytes(65535, 3);
  ASSERT_TRUE(writer
                  ->write({.wire_length_bytes = 65535,
                           .bytes = bytes,
                           .lost_before_packets = 1,
                           .comment = longer})
                  .has_value());
  ASSERT_TRUE(writer->flush().has_value());
  const auto blocks = walk_blocks(sink.bytes());
  ASSERT_EQ(blocks.size(), 3U);
  const std::vector<std::uint8_t> expected(longest.begin(), longest.end());
  EXPECT_EQ(option_value(blocks[0], 16, 2), expected);
  EXPECT_EQ(option_value(blocks[0], 16, 3), expected);
  EXPECT_EQ(option_value(blocks[0], 16, 4), expected);
  EXPECT_EQ(option_value(blocks[1], 8, 2), expected);
  EXPECT_EQ(option_value(blocks[1], 8, 3), expected);
  auto filter = expected;
  filter[0] = 0;  // the octet before the text takes one of its places
  EXPECT_EQ(option_value(blocks[1], 8, 11), filter);
  EXPECT_EQ(option_value(blocks[2], 20 + 65536, 1), expected);
}

TEST(PcapngWriter, LeavesOutEmptyOptions) {
  MemorySink sink;
  PcapngSection section;
  section.interfaces = {{.name = "a", .description = "", .filter = ""}};
  auto writer = PcapngWriter::start(sink, section);
  ASSERT_TRUE(writer.has_value());
  ASSERT_TRUE(writer->write({.wire_length_bytes = 4, .bytes = make_bytes(4, 1)}).has_value());
  ASSERT_TRUE(writer->flush().has_value());
  const auto blocks = walk_blocks(sink.bytes());
  ASSERT_EQ(blocks.size(), 3U);
  EXPECT_EQ(blocks[0].bytes.size(), 32U);
  EXPECT_EQ(blocks[1].bytes.size(), 40U);
  EXPECT_EQ(blocks[2].bytes.size(), 72U);
}

TEST(PcapngWriter, RefusesInterfacesTheSectionDoesNotHave) {
  MemorySink sink;
  auto writer = PcapngWriter::start(sink, make_section(2));
  ASSERT_TRUE(writer.has_value());
  const auto packet = writer->write({.interface = 2});
  ASSERT_FALSE(packet.has_value());
  EXPECT_EQ(packet.error().code, Errc::InvalidArgument);
  EXPECT_EQ(packet.error().message, "write packet: interface 2 does not exist, the section has 2");
  const std::vector<PcapngStatistics> statistics(3);
  const auto written = writer->write_statistics(statistics);
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, Errc::InvalidArgument);
  EXPECT_EQ(writer->delivered(2), 0U);
}

}  // namespace
}  // namespace xdpcap

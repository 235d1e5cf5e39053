// SPDX-License-Identifier: BSD-3-Clause

#include "tools/pcap_file.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "support/temporary_directory.h"

namespace command {
namespace {

using Bytes = std::vector<std::uint8_t>;

void put32(Bytes& bytes, std::uint32_t value, bool big = false) {
  for (unsigned i = 0; i < 4; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(value >> (big ? 24 - 8 * i : 8 * i)));
  }
}

struct Format {
  std::uint32_t magic = 0xa1b2c3d4;
  bool big = false;
  std::uint32_t snapshot_bytes = 1000;
  std::uint32_t link_type = 1;
};

/// A pcap file with packets of 3, 0 and 5 bytes, the last of which was 77 long.
Bytes make_pcap(const Format& format = {}) {
  Bytes file;
  put32(file, format.magic, format.big);
  const std::uint32_t version = format.big ? 0x00020004 : 0x00040002;
  put32(file, version, format.big);
  put32(file, 0);
  put32(file, 0);
  put32(file, format.snapshot_bytes, format.big);
  put32(file, format.link_type, format.big);
  std::uint32_t second = 100;
  for (const auto& [captured, wire] : {std::pair{3U, 3U}, {0U, 0U}, {5U, 77U}}) {
    put32(file, second++, format.big);
    put32(file, 123456, format.big);
    put32(file, captured, format.big);
    put32(file, wire, format.big);
    file.resize(file.size() + captured, static_cast<std::uint8_t>(captured));
  }
  return file;
}

class PcapFile : public ::testing::Test {
 protected:
  std::string write(const Bytes& bytes) {
    std::ofstream file(path_, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return path_;
  }
  static Bytes contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  xdpcap::test::TemporaryDirectory directory_;
  std::string path_ = directory_.path("in");
};

TEST_F(PcapFile, ReadsEveryFormat) {
  const struct {
    Format format;
    TimeUnit unit;
    std::int64_t nanoseconds;
  } cases[] = {
      {{}, TimeUnit::Microsecond, 123456000},
      {{.big = true}, TimeUnit::Microsecond, 123456000},
      {{.magic = 0xa1b23c4d}, TimeUnit::Nanosecond, 123456},
      {{.magic = 0xa1b23c4d, .big = true}, TimeUnit::Nanosecond, 123456},
  };
  for (const auto& one : cases) {
    auto reader = PcapReader::open(write(make_pcap(one.format)));
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_EQ(reader->link_type().name, "EN10MB");
    EXPECT_EQ(reader->snapshot_length_bytes(), 1000);
    EXPECT_EQ(reader->time_unit(), one.unit);
    auto packet = reader->next();
    ASSERT_TRUE(packet && *packet);
    EXPECT_EQ((*packet)->bytes.size(), 3U);
    EXPECT_EQ((*packet)->seconds, 100);
    EXPECT_EQ((*packet)->nanoseconds, one.nanoseconds);
    packet = reader->next();
    ASSERT_TRUE(packet && *packet);
    EXPECT_TRUE((*packet)->bytes.empty());
    packet = reader->next();
    ASSERT_TRUE(packet && *packet);
    EXPECT_EQ((*packet)->bytes.size(), 5U);
    EXPECT_EQ((*packet)->wire_length_bytes, 77U);
    packet = reader->next();
    ASSERT_TRUE(packet) << packet.error().message;
    EXPECT_FALSE(*packet);
  }
}

TEST_F(PcapFile, WhatIsReadIsWrittenByteForByte) {
  for (const std::uint32_t magic : {0xa1b2c3d4U, 0xa1b23c4dU}) {
    for (const std::uint32_t link_type : {1U, 101U, 113U}) {
      const Bytes bytes = make_pcap({.magic = magic, .link_type = link_type});
      auto reader = PcapReader::open(write(bytes));
      ASSERT_TRUE(reader) << reader.error().message;
      const std::string out = directory_.path("out");
      auto writer = PcapWriter::create(out, *reader);
      ASSERT_TRUE(writer) << writer.error().message;
      for (auto packet = reader->next(); *packet; packet = reader->next()) {
        ASSERT_TRUE(writer->write(**packet));
      }
      ASSERT_TRUE(writer->finish());
      EXPECT_EQ(contents(out), bytes);
    }
  }
}

TEST_F(PcapFile, AFileCutAnywhereIsAnErrorThatNamesThePacket) {
  const Bytes whole = make_pcap();
  constexpr std::size_t kHeaderBytes = 24;
  constexpr std::size_t kRecordBytes = 16;
  const std::size_t ends[] = {kHeaderBytes, kHeaderBytes + kRecordBytes + 3,
                              kHeaderBytes + 2 * kRecordBytes + 3, whole.size()};
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    auto reader = PcapReader::open(write({whole.begin(), whole.begin() + static_cast<long>(size)}));
    if (size < kHeaderBytes) {
      ASSERT_FALSE(reader);
      EXPECT_TRUE(reader.error().message.starts_with("read " + path_ + ": no capture file "));
      continue;
    }
    ASSERT_TRUE(reader);
    int packets = 0;
    auto packet = reader->next();
    for (; packet && *packet; packet = reader->next()) {
      ++packets;
    }
    EXPECT_EQ(packet.has_value(), std::ranges::count(ends, size) != 0);
    if (!packet) {
      EXPECT_TRUE(packet.error().message.starts_with("read " + path_ + ": packet " +
                                                     std::to_string(packets + 1) + ": "))
          << packet.error().message;
    }
  }
}

TEST_F(PcapFile, SaysWhyAFileCannotBeRead) {
  const auto none = PcapReader::open(directory_.path("none"));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, cbpfc::Errc::NotFound);
  EXPECT_EQ(none.error().message,
            "open " + directory_.path("none") + ": No such file or directory");
  const auto text = PcapReader::open(write(Bytes(100, 'x')));
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message,
            "read " + path_ + ": no capture file (pcap or pcapng): unknown file format");
}

TEST_F(PcapFile, AnUnfinishedFileLeavesNothing) {
  auto reader = PcapReader::open(write(make_pcap()));
  ASSERT_TRUE(reader);
  const std::string out = directory_.path("out");
  {
    auto writer = PcapWriter::create(out, *reader);
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->write(**reader->next()));
  }
  EXPECT_FALSE(std::filesystem::exists(out));
}

}  // namespace
}  // namespace command

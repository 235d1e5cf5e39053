// SPDX-License-Identifier: BSD-3-Clause

#include "verify/check/capture_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "base/testing/temporary_directory.h"

namespace check {
namespace {

using Bytes = std::vector<std::uint8_t>;

void put32(Bytes& bytes, std::uint32_t value, bool big = false) {
  for (unsigned i = 0; i < 4; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(value >> (big ? 24 - 8 * i : 8 * i)));
  }
}

void append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

struct Format {
  std::uint32_t magic = 0xa1b2c3d4;
  bool big = false;
  std::uint32_t snapshot_bytes = 1000;
  std::uint32_t link_type = 1;
};

/// Captured and whole length of the packets of each file here; the last is longer than it can have been.
constexpr std::pair<std::uint32_t, std::uint32_t> kLengths[] = {{3, 3}, {0, 0}, {5, 77}, {8, 6}};

Bytes make_header(const Format& format) {
  Bytes file;
  put32(file, format.magic, format.big);
  put32(file, format.big ? 0x00020004 : 0x00040002, format.big);
  put32(file, 3600, format.big);
  put32(file, 9, format.big);
  put32(file, format.snapshot_bytes, format.big);
  put32(file, format.link_type, format.big);
  return file;
}

Bytes make_record(std::uint32_t number, bool big = false) {
  const auto [captured, wire] = kLengths[number];
  Bytes record;
  put32(record, 100 + number, big);
  put32(record, 123456, big);
  put32(record, captured, big);
  put32(record, wire, big);
  record.resize(record.size() + captured, static_cast<std::uint8_t>(captured));
  return record;
}

Bytes make_pcap(const Format& format = {}) {
  Bytes file = make_header(format);
  for (std::uint32_t i = 0; i < std::size(kLengths); ++i) {
    append(file, make_record(i, format.big));
  }
  return file;
}

/// A block of a pcapng file, the body filled up to four bytes.
Bytes make_block(std::uint32_t type, Bytes body, bool big) {
  body.resize((body.size() + 3) / 4 * 4);
  const auto size = static_cast<std::uint32_t>(body.size()) + 12;
  Bytes block;
  put32(block, type, big);
  put32(block, size, big);
  append(block, body);
  put32(block, size, big);
  return block;
}

Bytes make_words(std::initializer_list<std::uint32_t> words, bool big) {
  Bytes bytes;
  for (const std::uint32_t word : words) {
    put32(bytes, word, big);
  }
  return bytes;
}

/// The blocks of a pcapng file with a comment, an interface in nanoseconds, and things that are no packets.
struct Pcapng {
  explicit Pcapng(bool big) {
    constexpr std::uint32_t kSection = 0x0a0d0d0a, kInterface = 1, kStatistics = 5, kPacket = 6;
    const std::uint32_t version = big ? 0x00010000 : 0x00000001;
    header =
        make_block(kSection, make_words({0x1a2b3c4d, version, 0xffffffff, 0xffffffff}, big), big);
    Bytes interface = make_words({big ? 0x00010000U : 1U, 1000}, big);
    append(interface, make_words({big ? 0x00090001U : 0x00010009U}, big));  // if_tsresol
    append(interface, {9, 0, 0, 0});
    append(header, make_block(kInterface, interface, big));
    for (std::uint32_t i = 0; i < std::size(kLengths); ++i) {
      const auto [captured, wire] = kLengths[i];
      Bytes packet = make_words({0, i, 0, captured, wire}, big);
      packet.resize(packet.size() + captured, static_cast<std::uint8_t>(captured));
      packets.push_back(make_block(kPacket, packet, big));
    }
    other = make_block(0x0bad, {1, 2, 3, 4, 5}, big);  // of a type that is unknown
    end = make_block(kStatistics, make_words({0, 1, 2}, big), big);
  }

  /// The file: `other` twice in front of the third packet, `end` last.
  Bytes all(const std::vector<bool>& wanted) const {
    Bytes file = header;
    for (std::size_t i = 0; i < packets.size(); ++i) {
      if (i == 2) {
        append(file, other);
        append(file, other);
      }
      if (wanted[i]) {
        append(file, packets[i]);
      }
    }
    append(file, end);
    return file;
  }

  Bytes header;
  std::vector<Bytes> packets;
  Bytes other;
  Bytes end;
};

class CaptureFile : public ::testing::Test {
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
  /// What becomes of a file if those of its packets are wanted.
  Bytes copy(const Bytes& bytes, const std::vector<bool>& wanted) {
    const std::string out = directory_.path("out");
    auto reader = CaptureReader::open(write(bytes));
    EXPECT_TRUE(reader) << reader.error().message;
    auto writer = PacketWriter::create(out, *reader);
    EXPECT_TRUE(writer) << writer.error().message;
    auto packet = reader->next();
    for (std::size_t i = 0; packet && *packet; packet = reader->next(), ++i) {
      EXPECT_TRUE(writer->write(**packet, wanted.at(i)));
    }
    EXPECT_TRUE(packet) << packet.error().message;
    EXPECT_TRUE(writer->finish(reader->rest()));
    return contents(out);
  }

  xdpcap::test::TemporaryDirectory directory_;
  std::string path_ = directory_.path("in");
};

constexpr Format kFormats[] = {
    {},
    {.big = true},
    {.magic = 0xa1b23c4d},
    {.magic = 0xa1b23c4d, .big = true},
    {.link_type = 0x44000001},  // four bytes of checksum behind the frame
    {.big = true, .link_type = 0x44000001}};

TEST_F(CaptureFile, ReadsEveryFormat) {
  std::vector<std::pair<Bytes, bool>> files;
  for (const Format& format : kFormats) {
    files.emplace_back(make_pcap(format), format.big);
  }
  for (const bool big : {false, true}) {
    files.emplace_back(Pcapng(big).all({true, true, true, true}), big);
  }
  for (const auto& [bytes, big] : files) {
    auto reader = CaptureReader::open(write(bytes));
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_EQ(reader->kind(0).link_type.name, "EN10MB");
    EXPECT_EQ(reader->kind(0).source,
              big ? cbpfc::PacketSource::SwappedFile : cbpfc::PacketSource::File);
    for (const auto& [captured, wire] : kLengths) {
      const auto packet = reader->next();
      ASSERT_TRUE(packet && *packet);
      EXPECT_EQ(Bytes((*packet)->bytes.begin(), (*packet)->bytes.end()),
                Bytes(captured, static_cast<std::uint8_t>(captured)));
      EXPECT_EQ((*packet)->wire_length_bytes, wire);
    }
    const auto packet = reader->next();
    ASSERT_TRUE(packet) << packet.error().message;
    EXPECT_FALSE(*packet);
    EXPECT_EQ(reader->packets(), std::size(kLengths));
  }
}

TEST_F(CaptureFile, WhatIsReadIsWrittenByteForByte) {
  for (Format format : kFormats) {
    for (const std::uint32_t link_type : {format.link_type, 101U, 0U}) {
      format.link_type = link_type;
      EXPECT_EQ(copy(make_pcap(format), {true, true, true, true}), make_pcap(format));
    }
  }
}

TEST_F(CaptureFile, WhatIsNotWantedIsLeftOut) {
  for (const Format& format : kFormats) {
    Bytes expected = make_header(format);
    append(expected, make_record(1, format.big));
    append(expected, make_record(3, format.big));
    EXPECT_EQ(copy(make_pcap(format), {false, true, false, true}), expected);
    EXPECT_EQ(copy(make_pcap(format), {false, false, false, false}), make_header(format));
  }
}

TEST_F(CaptureFile, OfAPcapngEverythingElseIsKept) {
  for (const bool big : {false, true}) {
    const Pcapng blocks(big);
    const Bytes whole = blocks.all({true, true, true, true});
    for (unsigned chosen = 0; chosen < 16; ++chosen) {
      const std::vector<bool> wanted = {(chosen & 1) != 0, (chosen & 2) != 0, (chosen & 4) != 0,
                                        (chosen & 8) != 0};
      EXPECT_EQ(copy(whole, wanted), blocks.all(wanted)) << "big " << big << ", " << chosen;
    }
  }
}

/// Two sections, the second in the other byte order: Ethernet, and RAW cut at 20 bytes; each packet form there is.
Bytes make_mixed_pcapng() {
  Bytes file;
  for (const bool big : {false, true}) {
    const std::uint32_t version = big ? 0x00010000 : 0x00000001;
    append(file, make_block(0x0a0d0d0a,
                            make_words({0x1a2b3c4d, version, 0xffffffff, 0xffffffff}, big), big));
    append(file, make_block(1, make_words({big ? 0x00010000U : 1U, 1000}, big), big));
    append(file, make_block(1, make_words({big ? 0x00650000U : 101U, 20}, big), big));
    Bytes enhanced = make_words({1, 0, 0, 3, 130}, big);  // interface 1
    append(enhanced, {1, 2, 3});
    append(file, make_block(6, enhanced, big));
    Bytes simple = make_words({5}, big);  // interface 0
    append(simple, {4, 5, 6, 7, 8});
    append(file, make_block(3, simple, big));
    Bytes old =
        make_words({big ? 0x00010002U : 0x00020001U, 0, 0, 2, 9}, big);  // interface 1, 2 lost
    append(old, {9, 10});
    append(file, make_block(2, old, big));
  }
  return file;
}

TEST_F(CaptureFile, InterfacesOfAPcapngMayDiffer) {
  auto reader = CaptureReader::open(write(make_mixed_pcapng()));
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ(reader->kind(0).link_type.name, "EN10MB");
  const struct {
    const char* link_type;
    Bytes bytes;
    std::uint32_t wire_length_bytes;
  } packets[] = {{"RAW", {1, 2, 3}, 130}, {"EN10MB", {4, 5, 6, 7, 8}, 5}, {"RAW", {9, 10}, 9}};
  for (const auto source : {cbpfc::PacketSource::File, cbpfc::PacketSource::SwappedFile}) {
    for (const auto& wanted : packets) {
      const auto packet = reader->next();
      ASSERT_TRUE(packet) << packet.error().message;
      ASSERT_TRUE(*packet);
      EXPECT_EQ(Bytes((*packet)->bytes.begin(), (*packet)->bytes.end()), wanted.bytes);
      EXPECT_EQ((*packet)->wire_length_bytes, wanted.wire_length_bytes);
      EXPECT_EQ(reader->kind((*packet)->kind).link_type.name, wanted.link_type);
      EXPECT_EQ(reader->kind((*packet)->kind).source, source);
    }
  }
  EXPECT_EQ(copy(make_mixed_pcapng(), {true, true, true, true, true, true}), make_mixed_pcapng());
}

TEST_F(CaptureFile, ASimplePacketIsCutAtTheSnapshotLength) {
  Bytes file =
      make_block(0x0a0d0d0a, make_words({0x1a2b3c4d, 1, 0xffffffff, 0xffffffff}, false), false);
  append(file, make_block(1, make_words({1, 6}, false), false));
  append(file, make_block(3, make_words({100, 0x04030201, 0x08070605}, false), false));
  auto reader = CaptureReader::open(write(file));
  ASSERT_TRUE(reader) << reader.error().message;
  const auto packet = reader->next();
  ASSERT_TRUE(packet && *packet);
  EXPECT_EQ(Bytes((*packet)->bytes.begin(), (*packet)->bytes.end()), (Bytes{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ((*packet)->wire_length_bytes, 100U);
}

/// Reads all of a file, and returns why that ended.
std::string read_to_the_end(const std::string& path) {
  auto reader = CaptureReader::open(path);
  if (!reader) {
    return reader.error().message;
  }
  while (true) {
    const auto packet = reader->next();
    if (!packet) {
      return packet.error().message;
    }
    if (!*packet) {
      return "";
    }
    EXPECT_LE((*packet)->bytes.size(), (*packet)->record.size());
  }
}

TEST_F(CaptureFile, ADamagedPcapngIsAnErrorThatSaysWhy) {
  const auto section = [](std::uint32_t magic, std::uint32_t version) {
    return make_block(0x0a0d0d0a, make_words({magic, version, 0xffffffff, 0xffffffff}, false),
                      false);
  };
  const Bytes good = section(0x1a2b3c4d, 1);
  const Bytes interface = make_block(1, make_words({1, 1000}, false), false);
  const auto with = [&](const Bytes& block) {
    Bytes file = good;
    append(file, interface);
    append(file, block);
    return file;
  };
  const auto joined = [&](const Bytes& block) {
    Bytes file = good;
    append(file, block);
    return file;
  };
  const std::string start = "read " + path_ + ": ";
  const std::string no_file = start + "not a capture file (pcap or pcapng): ";
  const struct {
    Bytes file;
    std::string message;
  } cases[] = {
      {section(0x12345678, 1), no_file + "a section header has no byte-order magic"},
      {section(0x1a2b3c4d, 2), no_file + "a section has the unknown version 2"},
      {good, no_file + "it describes no interface"},
      {joined(make_block(6, make_words({0, 0, 0, 0, 0}, false), false)),
       no_file + "a packet comes before the first interface"},
      {joined(make_block(1, {}, false)), no_file + "an interface's block is too short"},
      {with(make_words({6, 8, 8}, false)), start + "packet 1: a block has the impossible length 8"},
      {with(make_words({6, 33, 0}, false)),
       start + "packet 1: a block has the impossible length 33"},
      {with(make_words({6, 0xfffffff0, 0}, false)),
       start + "packet 1: a block has the impossible length 4294967280"},
      {with(make_words({6, 16, 0, 20}, false)),
       start + "packet 1: a block has length 16 at its start and 20 at its end"},
      {with(make_block(6, make_words({0, 0, 0, 0}, false), false)),
       start + "packet 1: its block is too short"},
      {with(make_block(3, {}, false)), start + "packet 1: its block is too short"},
      {with(make_block(6, make_words({0, 0, 0, 5, 5, 0}, false), false)),
       start + "packet 1: it claims 5 bytes, but its block holds 4"},
      {with(make_block(6, make_words({1, 0, 0, 4, 4, 0}, false), false)),
       start + "packet 1: it names interface 1, which the file does not describe"},
      {with(section(0x1a2b3c4d, 7)), start + "packet 1: a section has the unknown version 7"},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(read_to_the_end(write(one.file)), one.message);
  }
}

// Whatever a file has: no byte outside of it is read, and reading ends.
TEST_F(CaptureFile, APcapngThatIsCutOrChangedAnywhereIsReadSafely) {
  const Bytes whole = make_mixed_pcapng();
  int cut = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string end =
        read_to_the_end(write({whole.begin(), whole.begin() + static_cast<long>(size)}));
    cut += end.ends_with(": the file ends inside a block") ? 1 : 0;
  }
  EXPECT_GT(cut, static_cast<int>(whole.size() * 9 / 10));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const std::uint8_t value : Bytes{0x00, 0x01, 0x7f, 0xff}) {
      Bytes changed = whole;
      changed[at] = value;
      read_to_the_end(write(changed));
    }
  }
}

TEST_F(CaptureFile, RecordsLargerThanABuffer) {
  Bytes file = make_header({.snapshot_bytes = 262144});
  for (std::uint32_t i = 0; i < 5; ++i) {
    for (const std::uint32_t word : {i, i, 100'000U + i, 100'000U + i}) {
      put32(file, word);
    }
    file.resize(file.size() + 100'000 + i, static_cast<std::uint8_t>(i));
  }
  EXPECT_EQ(copy(file, {true, true, true, true, true}), file);
}

TEST_F(CaptureFile, AFileCutAnywhereIsAnErrorThatNamesThePacket) {
  const Bytes whole = make_pcap();
  constexpr std::size_t kHeaderBytes = 24;
  constexpr std::size_t kRecordBytes = 16;
  std::vector<std::size_t> ends = {kHeaderBytes};
  for (const auto& [captured, wire] : kLengths) {
    ends.push_back(ends.back() + kRecordBytes + captured);
  }
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    auto reader =
        CaptureReader::open(write({whole.begin(), whole.begin() + static_cast<long>(size)}));
    if (size < kHeaderBytes) {
      ASSERT_FALSE(reader);
      EXPECT_TRUE(reader.error().message.starts_with("read " + path_ + ": not a capture file "));
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

TEST_F(CaptureFile, SaysWhyAFileCannotBeRead) {
  const auto none = CaptureReader::open(directory_.path("none"));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, cbpfc::Errc::NotFound);
  EXPECT_EQ(none.error().message,
            "open " + directory_.path("none") + ": No such file or directory");
  const auto text = CaptureReader::open(write(Bytes(100, 'x')));
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message,
            "read " + path_ + ": not a capture file (pcap or pcapng): unknown file format");
}

TEST_F(CaptureFile, AnUnfinishedFileLeavesNothing) {
  auto reader = CaptureReader::open(write(make_pcap()));
  ASSERT_TRUE(reader);
  const std::string out = directory_.path("out");
  {
    auto writer = PacketWriter::create(out, *reader);
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->write(**reader->next(), true));
  }
  EXPECT_FALSE(std::filesystem::exists(out));
}

}  // namespace
}  // namespace check

// SPDX-License-Identifier: BSD-3-Clause

#include <gtest/gtest.h>

#include <random>

#include "xdpcap/ring/record_reader.h"
#include "xdpcap/tests/ring/fake_ring.h"

namespace xdpcap {
namespace {

using test::Header;

constexpr Header kGood{.ktime_ns = 5,
                       .lost_packets = 7,
                       .wire_length_bytes = 100,
                       .captured_bytes = 60,
                       .ifindex = 3,
                       .rx_queue = 2,
                       .action = 2};

TEST(Record, DecodesEveryField) {
  const std::vector<std::uint8_t> record = test::make_record(kGood, 9, 12);
  const std::optional<Packet> packet = decode_record(record, 4);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->ktime_ns, 5U);
  EXPECT_EQ(packet->lost_packets, 7U);
  EXPECT_EQ(packet->wire_length_bytes, 100U);
  EXPECT_EQ(packet->ifindex, 3U);
  EXPECT_EQ(packet->rx_queue, 2U);
  EXPECT_EQ(packet->ring, 4U);
  EXPECT_EQ(packet->action, Action::Pass);
  ASSERT_EQ(packet->bytes.size(), 60U);
  EXPECT_EQ(packet->bytes[0], 9U);
  EXPECT_EQ(packet->bytes[59], 68U);
}

TEST(Record, LiesAsCaptureProgramsWriteIt) {
  const std::vector<std::uint8_t> record = test::make_record(kGood);
  EXPECT_EQ(record[abi::kWireLengthOffset], 100U);
  EXPECT_EQ(record[abi::kActionOffset], 2U);
}

TEST(Record, TakesLargestPacket) {
  Header header = kGood;
  header.captured_bytes = header.wire_length_bytes = 65535;
  EXPECT_TRUE(decode_record(test::make_record(header), 0));
}

TEST(Record, RefusesWhatNoProgramWrites) {
  struct Case {
    const char* name;
    void (*spoil)(Header&);
  };
  constexpr Case kCases[] = {
      {"no bytes", [](Header& h) { h.captured_bytes = 0; }},
      {"more bytes than room", [](Header& h) { h.captured_bytes = 61; }},
      {"far more bytes than room", [](Header& h) { h.captured_bytes = 0xffff; }},
      {"more captured than there was", [](Header& h) { h.wire_length_bytes = 59; }},
      {"unknown action", [](Header& h) { h.action = kMostActions; }},
  };
  for (const Case& one : kCases) {
    std::vector<std::uint8_t> record = test::make_record(kGood);
    Header header = kGood;
    one.spoil(header);
    const abi::RecordHeader spoilt = header.in_record();
    std::memcpy(record.data(), &spoilt, sizeof(spoilt));
    EXPECT_FALSE(decode_record(record, 4)) << one.name;
  }
}

TEST(Record, RefusesEveryCut) {
  const std::vector<std::uint8_t> record = test::make_record(kGood);
  for (std::size_t length = 0; length < record.size(); ++length) {
    // A copy of exactly this size, so that a sanitizer sees a read behind it.
    const std::vector<std::uint8_t> cut(record.begin(),
                                        record.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_FALSE(decode_record(cut, 0)) << length;
  }
}

TEST(Record, RandomBytesNeverLeadOutside) {
  std::mt19937 random(1);
  int decoded = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::vector<std::uint8_t> record = test::make_record(kGood);
    record.resize(random() % (record.size() + 1));
    for (unsigned changes = random() % 4; changes > 0 && !record.empty(); --changes) {
      record[random() % record.size()] = static_cast<std::uint8_t>(random());
    }
    if (const std::optional<Packet> packet = decode_record(record, 4)) {
      ++decoded;
      ASSERT_GE(packet->bytes.data(), record.data() + sizeof(abi::RecordHeader));
      ASSERT_LE(packet->bytes.data() + packet->bytes.size(), record.data() + record.size());
    }
  }
  EXPECT_GT(decoded, 100);
}

}  // namespace
}  // namespace xdpcap

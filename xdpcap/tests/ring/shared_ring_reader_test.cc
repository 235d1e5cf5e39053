// SPDX-License-Identifier: BSD-3-Clause
//
// The reader of shared rings, on one in ordinary memory with the test in the capture program's place.

#include "xdpcap/ring/shared_ring_reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "xdpcap/tests/ring/fake_ring.h"

namespace xdpcap {
namespace {

using Bytes = std::vector<std::uint8_t>;

class FakeSharedRing {
 public:
  explicit FakeSharedRing(std::size_t ring_bytes)
      : data(ring_bytes + shared_record_bytes(abi::kMaxCapturedBytes)), ring_bytes_(ring_bytes) {}

  SharedRingMemory memory() {
    return {.control = &control, .data = data.data(), .ring_bytes = ring_bytes_};
  }
  /// Adds a record if it fits; where it starts.
  bool add(std::uint32_t captured_bytes, std::uint8_t first) {
    const std::uint64_t next =
        position_behind(control.producer, shared_record_bytes(captured_bytes), ring_bytes_);
    if (next - control.consumer > ring_bytes_) {
      return false;
    }
    const Bytes record = test::make_record({.captured_bytes = captured_bytes}, first);
    std::memcpy(&data[control.producer % ring_bytes_], record.data(), record.size());
    control.producer = next;
    return true;
  }

  SharedRingControl control{};
  Bytes data;

 private:
  std::size_t ring_bytes_;
};

std::vector<Bytes> collect(SharedRingReader& reader, std::size_t most_records = 1000,
                           std::size_t most_bytes = 1 << 20) {
  std::vector<RingRecord> records;
  reader.collect(records, most_records, most_bytes);
  std::vector<Bytes> result;
  for (const RingRecord& record : records) {
    result.emplace_back(record.bytes.begin(), record.bytes.end());
  }
  return result;
}

Bytes made(std::uint32_t captured_bytes, std::uint8_t first) {
  return test::make_record({.captured_bytes = captured_bytes}, first);
}

TEST(SharedRing, RecordsAreMultiplesOf32AndStartWithinTheRing) {
  EXPECT_EQ(shared_record_bytes(1), 32U);
  EXPECT_EQ(shared_record_bytes(8), 32U);
  EXPECT_EQ(shared_record_bytes(9), 64U);
  EXPECT_EQ(shared_record_bytes(64), 96U);
  EXPECT_EQ(position_behind(0, 96, 4096), 96U);
  EXPECT_EQ(position_behind(4096, 96, 4096), 4192U);
  EXPECT_EQ(position_behind(4000, 96, 4096), 4096U);
  EXPECT_EQ(position_behind(4064, 96, 4096), 4096U) << "over the end: the next starts anew";
  EXPECT_EQ(position_behind(8160, 65568, 4096), 8192U);
}

TEST(SharedRing, LayoutHasRoomForTheLargestRecordBehindTheRing) {
  const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  for (const std::uint64_t ring_bytes : {page_bytes, std::uint64_t{1} << 26}) {
    const SharedRingLayout layout = shared_ring_layout(ring_bytes);
    EXPECT_EQ(layout.value_bytes % page_bytes, 0U);
    EXPECT_GE(layout.data_offset_bytes, sizeof(SharedRingControl));
    EXPECT_EQ((layout.data_offset_bytes + sizeof(abi::RecordHeader)) % 32, 0U);
    EXPECT_GE(layout.value_bytes, layout.data_offset_bytes + ring_bytes - 32 +
                                      shared_record_bytes(abi::kMaxCapturedBytes));
  }
}

TEST(SharedRingReader, ShowsRecordsAndKeepsTheirSpaceUntilReleased) {
  FakeSharedRing ring(4096);
  SharedRingReader reader(ring.memory());
  EXPECT_TRUE(reader.is_exhausted());
  EXPECT_TRUE(ring.add(40, 1));
  EXPECT_TRUE(ring.add(41, 2));
  EXPECT_FALSE(reader.is_exhausted());
  EXPECT_EQ(collect(reader), (std::vector<Bytes>{made(40, 1), made(41, 2)}));
  EXPECT_TRUE(reader.is_exhausted());
  EXPECT_EQ(reader.used_bytes(), 64U + 96U);
  reader.release(64);
  EXPECT_EQ(ring.control.consumer, 64U);
  EXPECT_EQ(reader.used_bytes(), 96U);
}

TEST(SharedRingReader, FollowsRecordsOverTheEndManyTimes) {
  FakeSharedRing ring(4096);
  SharedRingReader reader(ring.memory());
  std::mt19937 random(1);
  for (int round = 0; round < 1000; ++round) {
    std::vector<Bytes> added;
    while (true) {
      const auto size = static_cast<std::uint32_t>(random() % 700 + 1);
      if (!ring.add(size, static_cast<std::uint8_t>(round))) {
        break;
      }
      added.push_back(made(size, static_cast<std::uint8_t>(round)));
    }
    ASSERT_FALSE(added.empty());
    ASSERT_EQ(collect(reader), added);
    reader.release(reader.position());
  }
  EXPECT_EQ(reader.corrupt_records(), 0U);
}

TEST(SharedRingReader, IsBoundedByRecordsAndBytes) {
  FakeSharedRing ring(4096);
  SharedRingReader reader(ring.memory());
  for (std::uint8_t i = 0; i < 10; ++i) {
    ring.add(40, i);
  }
  EXPECT_EQ(collect(reader, 3).size(), 3U);
  EXPECT_EQ(collect(reader, 100, 65).size(), 2U);
  EXPECT_EQ(collect(reader).size(), 5U);
}

TEST(SharedRingReader, SkipsToTheProducerWhereNothingMakesSense) {
  struct Case {
    const char* name;
    void (*spoil)(FakeSharedRing&);
  };
  constexpr std::size_t kCapturedOffset = offsetof(abi::RecordHeader, captured_bytes);
  const Case cases[] = {
      {"no bytes", [](FakeSharedRing& ring) { ring.data[kCapturedOffset] = 0; }},
      {"more than there is", [](FakeSharedRing& ring) { ring.data[kCapturedOffset + 1] = 1; }},
      {"a position that is none", [](FakeSharedRing& ring) { ring.control.producer = 9; }},
      {"more than the ring holds", [](FakeSharedRing& ring) { ring.control.producer = 8192; }},
  };
  for (const Case& one : cases) {
    FakeSharedRing ring(4096);
    SharedRingReader reader(ring.memory());
    ring.add(40, 1);
    ring.add(40, 1);
    one.spoil(ring);
    collect(reader);
    EXPECT_EQ(reader.corrupt_records(), 1U) << one.name;
    EXPECT_TRUE(reader.is_exhausted()) << one.name;
  }
}

TEST(SharedRingReader, RandomBytesNeverLeadOutside) {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    FakeSharedRing ring(512);
    SharedRingReader reader(ring.memory());
    while (ring.add(static_cast<std::uint32_t>(random() % 200 + 1), 0)) {
    }
    for (int i = 0; i < 5; ++i) {
      ring.data[random() % 512] = static_cast<std::uint8_t>(random());
    }
    if (round % 4 == 0) {
      ring.control.producer = random();
    }
    for (int i = 0; i < 3; ++i) {
      collect(reader);
      reader.release(reader.position());
    }
  }
}

}  // namespace
}  // namespace xdpcap

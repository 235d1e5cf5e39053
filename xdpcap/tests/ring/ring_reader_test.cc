// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/ring/ring_reader.h"

#include <gtest/gtest.h>

#include <random>

#include "xdpcap/tests/ring/fake_ring.h"

namespace xdpcap {
namespace {

using test::FakeRing;

std::vector<RingRecord> collect(RingReader& reader, std::size_t most_records = 1000,
                                std::size_t most_bytes = 1 << 20) {
  std::vector<RingRecord> records;
  reader.collect(records, most_records, most_bytes);
  return records;
}

std::vector<std::uint8_t> filled(std::size_t size, std::uint8_t value) {
  return std::vector<std::uint8_t>(size, value);
}

TEST(RingReader, ShowsRecordsInOrder) {
  FakeRing ring(4096);
  RingReader reader(ring.memory());
  EXPECT_TRUE(reader.is_exhausted());
  for (std::uint8_t size = 1; size <= 17; ++size) {
    ring.add(filled(size, size));
  }
  EXPECT_FALSE(reader.is_exhausted());
  const std::vector<RingRecord> records = collect(reader);
  ASSERT_EQ(records.size(), 17U);
  for (std::uint8_t size = 1; size <= 17; ++size) {
    const RingRecord& record = records[size - 1U];
    EXPECT_EQ(std::vector(record.bytes.begin(), record.bytes.end()), filled(size, size));
  }
  EXPECT_TRUE(reader.is_exhausted());
  EXPECT_EQ(reader.corrupt_records(), 0U);
}

TEST(RingReader, SpaceIsKeptUntilReleased) {
  FakeRing ring(4096);
  RingReader reader(ring.memory());
  ring.add(filled(24, 1));
  ring.add(filled(24, 2));
  const std::vector<RingRecord> records = collect(reader);
  EXPECT_EQ(ring.consumer, 0U);
  EXPECT_EQ(reader.used_bytes(), 64U);
  reader.release(records[1].start);
  EXPECT_EQ(ring.consumer, 32U);
  reader.release(reader.position());
  EXPECT_EQ(ring.consumer, 64U);
  EXPECT_EQ(reader.used_bytes(), 0U);
}

TEST(RingReader, StopsAtBusyRecord) {
  FakeRing ring(4096);
  RingReader reader(ring.memory());
  ring.add(filled(8, 1));
  const RingPosition busy = ring.reserve(filled(8, 2));
  ring.add(filled(8, 3));
  EXPECT_EQ(collect(reader).size(), 1U);
  EXPECT_EQ(collect(reader).size(), 0U);
  EXPECT_FALSE(reader.is_exhausted());
  ring.submit(busy);
  EXPECT_EQ(collect(reader).size(), 2U);
}

TEST(RingReader, SkipsDiscardedRecords) {
  FakeRing ring(4096);
  RingReader reader(ring.memory());
  ring.discard(ring.reserve(filled(8, 1)));
  ring.add(filled(8, 2));
  const std::vector<RingRecord> records = collect(reader);
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].bytes[0], 2U);
  EXPECT_EQ(reader.corrupt_records(), 0U);
}

TEST(RingReader, KeepsBounds) {
  FakeRing ring(4096);
  RingReader reader(ring.memory());
  for (int i = 0; i < 10; ++i) {
    ring.add(filled(56, 1));  // 64 in the ring
  }
  EXPECT_EQ(collect(reader, 3).size(), 3U);
  EXPECT_EQ(collect(reader, 100, 65).size(), 2U);
  EXPECT_EQ(collect(reader, 100, 1).size(), 1U) << "at least one, whatever its size";
  EXPECT_EQ(collect(reader).size(), 4U);
}

TEST(RingReader, GoesRoundManyTimes) {
  FakeRing ring(256);
  // Near the end of the position's range, too: it wraps like the kernel's.
  ring.consumer = ring.producer = static_cast<RingPosition>(-4096);
  RingReader reader(ring.memory());
  std::uint8_t next = 0;
  for (int round = 0; round < 1000; ++round) {
    ring.add(filled(40, next));
    ring.add(filled(100, static_cast<std::uint8_t>(next + 1)));
    for (const RingRecord& record : collect(reader)) {
      ASSERT_EQ(record.bytes.front(), next);
      ASSERT_EQ(record.bytes.back(), next);
      ++next;
    }
    reader.release(reader.position());
  }
  EXPECT_EQ(reader.corrupt_records(), 0U);
}

TEST(RingReader, CorruptLengthIsCountedAndSkipped) {
  for (const std::uint32_t length : {0U, 9U, 64U, 4096U, 0x3fffffffU, 0x7fffffffU, 1U << 30U}) {
    FakeRing ring(4096);
    RingReader reader(ring.memory());
    const RingPosition start = ring.reserve(filled(8, 1));
    ring.put_header(start, length);
    EXPECT_EQ(collect(reader).size(), 0U) << length;
    EXPECT_EQ(reader.corrupt_records(), 1U) << length;
    EXPECT_TRUE(reader.is_exhausted()) << length;
    ring.add(filled(8, 2));
    EXPECT_EQ(collect(reader).size(), 1U) << length;
  }
}

TEST(RingReader, ImpossiblePositionsAreCountedAndSkipped) {
  for (const RingPosition producer :
       {RingPosition{4}, RingPosition{4104}, RingPosition{1} << 40U}) {
    FakeRing ring(4096);
    RingReader reader(ring.memory());
    ring.producer = producer;
    EXPECT_EQ(collect(reader).size(), 0U) << producer;
    EXPECT_EQ(reader.corrupt_records(), 1U) << producer;
  }
}

TEST(RingReader, RandomRingNeverLeadsOutside) {
  std::mt19937 random(2);
  for (int round = 0; round < 20'000; ++round) {
    FakeRing ring(256);
    const RingMemory memory = ring.memory();
    ring.consumer = random() % 4 * 8;
    ring.producer = ring.consumer + random() % 300;
    std::uint8_t byte = 0;
    for (RingPosition at = 0; at < 256; ++at) {
      byte = static_cast<std::uint8_t>(random() % 3 == 0 ? random() % 64 : 0);
      ring.put(at, std::span(&byte, 1));
    }
    RingReader reader(memory);
    for (int again = 0; again < 3; ++again) {
      for (const RingRecord& record : collect(reader)) {
        ASSERT_GE(record.bytes.data(), memory.data + 8);
        ASSERT_LE(record.bytes.data() + record.bytes.size(), memory.data + 512);
      }
    }
  }
}

TEST(RingReader, RefusesToMapWhatIsNoRing) {
  EXPECT_FALSE(RingReader::map(-1, 4096));
  EXPECT_FALSE(RingReader::map(-1, 0));
  EXPECT_FALSE(RingReader::map(-1, 4097));
}

}  // namespace
}  // namespace xdpcap

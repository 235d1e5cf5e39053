// SPDX-License-Identifier: BSD-3-Clause
//
// The reader of perf buffers, on one in ordinary memory with the test in the kernel's place.

#include "xdpcap/ring/perf_reader.h"

#include <gtest/gtest.h>
#include <linux/perf_event.h>

#include <cstring>
#include <numeric>
#include <random>

namespace xdpcap {
namespace {

using Bytes = std::vector<std::uint8_t>;

class FakePerfBuffer {
 public:
  explicit FakePerfBuffer(std::size_t data_bytes) : data(data_bytes) {}

  PerfMemory memory() {
    return {.control = &control, .data = data.data(), .data_bytes = data.size()};
  }
  void put(const void* bytes, std::size_t count) {
    const auto* from = static_cast<const std::uint8_t*>(bytes);
    for (std::size_t i = 0; i < count; ++i) {
      data[(control.data_head + i) % data.size()] = from[i];
    }
    control.data_head += count;
  }
  /// A sample as the kernel writes it, of which `claimed_bytes` are said to be there.
  void add(const Bytes& record, std::uint32_t claimed_bytes) {
    Bytes body(sizeof(claimed_bytes));
    std::memcpy(body.data(), &claimed_bytes, sizeof(claimed_bytes));
    body.insert(body.end(), record.begin(), record.end());
    body.resize((body.size() + 7) / 8 * 8);
    add_other(PERF_RECORD_SAMPLE, body);
  }
  void add(const Bytes& record) { add(record, static_cast<std::uint32_t>(record.size())); }
  void add_other(std::uint32_t type, const Bytes& body) {
    const perf_event_header header{
        .type = type,
        .misc = 0,
        .size = static_cast<std::uint16_t>(sizeof(perf_event_header) + body.size())};
    put(&header, sizeof(header));
    put(body.data(), body.size());
  }

  perf_event_mmap_page control{};
  Bytes data;
};

Bytes counting(std::size_t size, std::uint8_t first) {
  Bytes bytes(size);
  std::iota(bytes.begin(), bytes.end(), first);
  return bytes;
}

std::vector<Bytes> collect(PerfReader& reader, std::size_t most_records = 1000,
                           std::size_t most_bytes = 1 << 20) {
  std::vector<RingRecord> records;
  reader.collect(records, most_records, most_bytes);
  std::vector<Bytes> result;
  for (const RingRecord& record : records) {
    result.emplace_back(record.bytes.begin(), record.bytes.end());
  }
  return result;
}

TEST(PerfReader, ShowsRecordsAndKeepsTheirSpaceUntilReleased) {
  FakePerfBuffer buffer(4096);
  PerfReader reader(buffer.memory());
  EXPECT_TRUE(reader.is_exhausted());
  buffer.add(counting(40, 1));
  buffer.add(counting(41, 2));
  EXPECT_FALSE(reader.is_exhausted());
  EXPECT_EQ(collect(reader), (std::vector<Bytes>{counting(40, 1), counting(41, 2)}));
  EXPECT_TRUE(reader.is_exhausted());
  EXPECT_EQ(reader.used_bytes(), buffer.control.data_head);
  reader.release(reader.position());
  EXPECT_EQ(buffer.control.data_tail, buffer.control.data_head);
  EXPECT_EQ(reader.used_bytes(), 0U);
  EXPECT_EQ(reader.corrupt_records(), 0U);
}

TEST(PerfReader, JoinsARecordThatGoesOverTheEnd) {
  FakePerfBuffer buffer(512);
  PerfReader reader(buffer.memory());
  for (std::uint8_t i = 0; i < 200; ++i) {
    const std::size_t size = 25 + i % 60;
    buffer.add(counting(size, i));
    buffer.add(counting(size + 1, i));
    ASSERT_EQ(collect(reader), (std::vector<Bytes>{counting(size, i), counting(size + 1, i)}));
    reader.release(reader.position());
  }
}

TEST(PerfReader, JoinsNoOtherRecordWhileOneIsInUse) {
  // The kernel does not write over what has not been given back; memory that lies may say that it did.
  FakePerfBuffer buffer(512);
  PerfReader reader(buffer.memory());
  buffer.add(counting(436, 1));
  collect(reader);
  reader.release(reader.position());
  buffer.add(counting(100, 2));  // over the end
  std::vector<RingRecord> records;
  reader.collect(records, 1000, 1 << 20);
  ASSERT_EQ(records.size(), 1U);
  buffer.add(counting(300, 3));
  buffer.add(counting(150, 4));  // over the end again, and longer
  reader.collect(records, 1000, 1 << 20);
  EXPECT_EQ(reader.corrupt_records(), 1U);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(Bytes(records[0].bytes.begin(), records[0].bytes.end()), counting(100, 2));
  reader.release(records[0].start);
  buffer.add(counting(340, 5));
  buffer.add(counting(140, 6));
  EXPECT_EQ(collect(reader).size(), 1U) << "the first is still in use";
  reader.release(reader.position());
  buffer.add(counting(350, 7));
  buffer.add(counting(132, 8));
  EXPECT_EQ(collect(reader), (std::vector<Bytes>{counting(350, 7), counting(132, 8)}));
}

TEST(PerfReader, IsBoundedByRecordsAndBytes) {
  FakePerfBuffer buffer(4096);
  PerfReader reader(buffer.memory());
  for (std::uint8_t i = 0; i < 10; ++i) {
    buffer.add(counting(28, i));
  }
  EXPECT_EQ(collect(reader, 3).size(), 3U);
  EXPECT_EQ(collect(reader, 100, 41).size(), 2U);
  EXPECT_EQ(collect(reader).size(), 5U);
}

TEST(PerfReader, PassesOverWhatIsNoSample) {
  FakePerfBuffer buffer(4096);
  PerfReader reader(buffer.memory());
  buffer.add_other(PERF_RECORD_LOST, Bytes(16));
  buffer.add(counting(30, 3));
  EXPECT_EQ(collect(reader), std::vector<Bytes>{counting(30, 3)});
  EXPECT_EQ(reader.corrupt_records(), 0U);
}

TEST(PerfReader, RefusesALengthThatDoesNotFitItsRecord) {
  FakePerfBuffer buffer(4096);
  PerfReader reader(buffer.memory());
  buffer.add(counting(28, 0), 29);
  buffer.add(counting(28, 0), 0xffffffff);
  buffer.add_other(PERF_RECORD_SAMPLE, {});
  buffer.add(counting(28, 7));
  EXPECT_EQ(collect(reader), std::vector<Bytes>{counting(28, 7)});
  EXPECT_EQ(reader.corrupt_records(), 3U);
}

TEST(PerfReader, SkipsToTheHeadWhereNothingMakesSense) {
  for (const unsigned size : {0U, 7U, 12U, 4096U}) {
    FakePerfBuffer buffer(4096);
    PerfReader reader(buffer.memory());
    const perf_event_header header{
        .type = PERF_RECORD_SAMPLE, .misc = 0, .size = static_cast<std::uint16_t>(size)};
    buffer.put(&header, sizeof(header));
    buffer.add(counting(28, 7));
    EXPECT_TRUE(collect(reader).empty()) << size;
    EXPECT_EQ(reader.corrupt_records(), 1U);
    EXPECT_TRUE(reader.is_exhausted());
  }
}

TEST(PerfReader, RandomBytesNeverLeadOutside) {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    FakePerfBuffer buffer(256);
    PerfReader reader(buffer.memory());
    while (buffer.control.data_head < 150) {
      buffer.add(counting(random() % 60 + 1, 0));
    }
    for (int i = 0; i < 3; ++i) {
      buffer.data[random() % buffer.data.size()] = static_cast<std::uint8_t>(random());
    }
    if (round % 4 == 0) {
      buffer.control.data_head = random();
    }
    for (int i = 0; i < 3; ++i) {
      collect(reader);
      reader.release(reader.position());
    }
  }
}

}  // namespace
}  // namespace xdpcap

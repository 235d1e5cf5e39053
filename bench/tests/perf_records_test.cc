// SPDX-License-Identifier: BSD-3-Clause
//
// A perf buffer in ordinary memory, filled as the kernel fills it.

#include "bench/live/perf_records.h"

#include <gtest/gtest.h>
#include <linux/perf_event.h>

#include <cstring>
#include <memory>

namespace bench {
namespace {

using Bytes = std::vector<std::uint8_t>;

template <typename Number>
void append(Bytes& bytes, Number number) {
  const auto* from = reinterpret_cast<const std::uint8_t*>(&number);
  bytes.insert(bytes.end(), from, from + sizeof(number));
}

class Buffer {
 public:
  explicit Buffer(std::uint64_t position = 0) {
    control_->data_head = position;
    control_->data_tail = position;
  }

  xdpcap::PerfMemory memory() {
    return {.control = control_.get(), .data = data_.data(), .data_bytes = data_.size()};
  }
  std::uint64_t tail() const { return control_->data_tail; }
  std::uint64_t head() const { return control_->data_head; }

  void put(std::uint32_t type, const Bytes& body, std::uint16_t size) {
    Bytes record;
    append(record, perf_event_header{.type = type, .misc = 0, .size = size});
    record.insert(record.end(), body.begin(), body.end());
    for (const std::uint8_t byte : record) {
      data_[control_->data_head++ % data_.size()] = byte;
    }
  }
  void put(std::uint32_t type, const Bytes& body) {
    put(type, body, static_cast<std::uint16_t>(sizeof(perf_event_header) + body.size()));
  }

  void put_sample(const Bytes& bytes) {
    Bytes body;
    append(body, static_cast<std::uint32_t>(bytes.size()));
    body.insert(body.end(), bytes.begin(), bytes.end());
    body.resize((body.size() + 7) / 8 * 8, 0xee);  // what pads is no part of the sample
    put(PERF_RECORD_SAMPLE, body);
  }

  void put_lost(std::uint64_t count) {
    Bytes body;
    append(body, std::uint64_t{77});  // id
    append(body, count);
    put(PERF_RECORD_LOST, body);
  }

 private:
  std::unique_ptr<perf_event_mmap_page> control_ = std::make_unique<perf_event_mmap_page>();
  Bytes data_ = Bytes(64, 0);
};

/// What next() shows, as a copy.
std::optional<Bytes> take(PerfRecords& records) {
  const auto sample = records.next();
  return sample ? std::optional(Bytes(sample->begin(), sample->end())) : std::nullopt;
}

TEST(PerfRecords, SamplesInTheirOrder) {
  Buffer buffer;
  PerfRecords records(buffer.memory());
  EXPECT_EQ(take(records), std::nullopt);
  buffer.put_sample({1, 2, 3, 4});
  buffer.put_sample({5});
  EXPECT_EQ(take(records), (Bytes{1, 2, 3, 4}));
  EXPECT_LT(buffer.tail(), buffer.head()) << "space is given back a record at a time";
  EXPECT_EQ(take(records), Bytes{5});
  EXPECT_EQ(take(records), std::nullopt);
  EXPECT_EQ(buffer.tail(), buffer.head());
}

TEST(PerfRecords, RecordsThatGoOnAtTheStart) {
  // From every place, also such that the header itself is split.
  for (std::uint64_t start = 0; start < 64; ++start) {
    Buffer buffer(1'000'000 * 64 + start);
    PerfRecords records(buffer.memory());
    const Bytes sample = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    buffer.put_sample(sample);
    buffer.put_sample({42});
    EXPECT_EQ(take(records), sample) << start;
    EXPECT_EQ(take(records), Bytes{42}) << start;
    EXPECT_EQ(take(records), std::nullopt) << start;
  }
}

TEST(PerfRecords, LossesAreCountedOnTheWay) {
  Buffer buffer(40);
  PerfRecords records(buffer.memory());
  buffer.put_lost(5);
  buffer.put_sample({1});
  EXPECT_EQ(take(records), Bytes{1});
  EXPECT_EQ(records.lost(), 5U);
  buffer.put_lost(1'000'000'000'000);
  EXPECT_EQ(take(records), std::nullopt);
  EXPECT_EQ(records.lost(), 1'000'000'000'005U);
}

TEST(PerfRecords, OthersAreIgnored) {
  Buffer buffer;
  PerfRecords records(buffer.memory());
  buffer.put(PERF_RECORD_THROTTLE, Bytes(24));
  buffer.put_sample({9});
  EXPECT_EQ(take(records), Bytes{9});
}

TEST(PerfRecords, LengthsThatLeadOutsideEmptyTheBuffer) {
  for (const std::uint16_t size : {std::uint16_t{0}, std::uint16_t{7}, std::uint16_t{48}}) {
    Buffer buffer;
    PerfRecords records(buffer.memory());
    buffer.put(PERF_RECORD_SAMPLE, Bytes(24), size);
    EXPECT_EQ(take(records), std::nullopt) << size;
    EXPECT_EQ(buffer.tail(), buffer.head());
  }
}

TEST(PerfRecords, ASampleSizeBeyondItsRecordIsCut) {
  Buffer buffer;
  PerfRecords records(buffer.memory());
  Bytes body;
  append(body, std::uint32_t{1000});
  body.resize(8, 3);
  buffer.put(PERF_RECORD_SAMPLE, body);
  EXPECT_EQ(take(records), (Bytes{3, 3, 3, 3}));
}

TEST(PerfRecords, DrainingLeavesNothing) {
  Buffer buffer;
  PerfRecords records(buffer.memory());
  buffer.put_sample({1});
  records.drain();
  EXPECT_EQ(take(records), std::nullopt);
}

}  // namespace
}  // namespace bench

// SPDX-License-Identifier: BSD-3-Clause

#include "capture/time_order.h"

#include <gtest/gtest.h>

#include "fake_ring.h"

namespace xdpcap {
namespace {

using test::FakeRing;

constexpr std::uint64_t kEverything = UINT64_MAX;

std::vector<std::uint8_t> at(std::uint64_t ktime_ns, std::uint8_t mark = 0) {
  return test::make_record({.ktime_ns = ktime_ns, .captured_bytes = 16}, mark);  // 64 in the ring
}

std::vector<std::uint64_t> times(std::span<const TimeOrder::Held> ready) {
  std::vector<std::uint64_t> result;
  for (const TimeOrder::Held& held : ready) {
    result.push_back(held.packet.ktime_ns);
  }
  return result;
}

using Times = std::vector<std::uint64_t>;

TEST(TimeOrder, SortsABatchAndKeepsTies) {
  FakeRing ring(4096);
  RingReader reader(ring.memory());
  TimeOrder order(reader);
  for (const std::uint64_t time : {30U, 10U, 20U}) {
    ring.add(at(time));
  }
  ring.add(at(20, 1));
  EXPECT_FALSE(order.fill());
  const std::span<const TimeOrder::Held> ready = order.ready(kEverything);
  EXPECT_EQ(times(ready), (Times{10, 20, 20, 30}));
  EXPECT_EQ(ready[1].packet.bytes[0], 0U);
  EXPECT_EQ(ready[2].packet.bytes[0], 1U);
  order.release();
  EXPECT_EQ(ring.consumer, ring.producer);
  EXPECT_FALSE(order.is_waiting());
}

TEST(TimeOrder, HoldsBackAcrossBatches) {
  FakeRing ring(4096);
  RingReader reader(ring.memory());
  TimeOrder order(reader);
  ring.add(at(100));
  ring.add(at(300));
  ring.add(at(110));
  order.fill();
  EXPECT_EQ(times(order.ready(200)), (Times{100, 110}));
  order.release();
  EXPECT_EQ(ring.consumer, 64U) << "the held packet's place, and all behind it, stays taken";
  EXPECT_TRUE(order.is_waiting());
  ring.add(at(290));
  order.fill();
  EXPECT_EQ(times(order.ready(300)), (Times{290, 300}));
  order.release();
  EXPECT_EQ(ring.consumer, ring.producer);
}

TEST(TimeOrder, WaitsForBusyRecord) {
  FakeRing ring(4096);
  RingReader reader(ring.memory());
  TimeOrder order(reader);
  const RingPosition busy = ring.reserve(at(1));
  EXPECT_FALSE(order.fill());
  EXPECT_TRUE(order.ready(kEverything).empty());
  order.release();
  EXPECT_TRUE(order.is_waiting());
  ring.submit(busy);
  order.fill();
  EXPECT_EQ(order.ready(kEverything).size(), 1U);
}

TEST(TimeOrder, FeelsPressureAtAQuarterOfTheRing) {
  FakeRing ring(4096);
  RingReader reader(ring.memory());
  TimeOrder order(reader);
  for (int i = 0; i < 16; ++i) {
    ring.add(at(100));
  }
  EXPECT_FALSE(order.is_pressed());
  ring.add(at(100));
  EXPECT_TRUE(order.is_pressed());
}

TEST(TimeOrder, ABatchIsBounded) {
  FakeRing ring(1 << 20);
  RingReader reader(ring.memory());
  TimeOrder order(reader);
  for (int i = 0; i < 10'000; ++i) {
    ring.add(at(100));
  }
  std::size_t total = 0;
  int batches = 0;
  for (bool is_more = true; is_more; ++batches) {
    is_more = order.fill();
    const std::size_t count = order.ready(kEverything).size();
    EXPECT_LE(count, 4096U);
    total += count;
    order.release();
  }
  EXPECT_EQ(total, 10'000U);
  EXPECT_EQ(batches, 3);
}

TEST(TimeOrder, CountsRecordsThatMakeNoSense) {
  FakeRing ring(4096);
  RingReader reader(ring.memory());
  TimeOrder order(reader);
  ring.add(std::vector<std::uint8_t>(20));
  ring.add(at(1));
  ring.add(std::vector<std::uint8_t>(64));
  order.fill();
  EXPECT_EQ(order.ready(kEverything).size(), 1U);
  order.release();
  EXPECT_EQ(order.corrupt_records(), 2U);
  EXPECT_EQ(ring.consumer, ring.producer);
}

}  // namespace
}  // namespace xdpcap

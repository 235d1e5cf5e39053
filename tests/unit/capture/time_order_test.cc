// SPDX-License-Identifier: BSD-3-Clause

#include "capture/time_order.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "fake_ring.h"

namespace xdpcap {
namespace {

using test::FakeRing;

constexpr std::uint64_t kEverything = UINT64_MAX;
constexpr std::uint64_t kLookBackNs = 1000;

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
  TimeOrder order(reader, kLookBackNs);
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
  TimeOrder order(reader, kLookBackNs);
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
  TimeOrder order(reader, kLookBackNs);
  const RingPosition busy = ring.reserve(at(1));
  EXPECT_FALSE(order.fill());
  EXPECT_TRUE(order.ready(kEverything).empty());
  order.release();
  EXPECT_TRUE(order.is_waiting());
  ring.submit(busy);
  order.fill();
  EXPECT_EQ(order.ready(kEverything).size(), 1U);
}

TEST(TimeOrder, GivesTheOlderHalfWhenAQuarterOfTheRingIsTaken) {
  FakeRing ring(4096);
  RingReader reader(ring.memory());
  TimeOrder order(reader, kLookBackNs);
  for (std::uint64_t i = 0; i < 5; ++i) {
    ring.add(at(100 + i));
  }
  const RingPosition busy = ring.reserve(at(90));
  for (std::uint64_t i = 0; i < 10; ++i) {
    ring.add(at(200));
  }
  EXPECT_FALSE(order.fill());
  EXPECT_TRUE(order.ready(0).empty()) << "16 of 64 places, a quarter";
  order.release();
  ring.add(at(200));
  EXPECT_FALSE(order.fill());
  EXPECT_EQ(times(order.ready(0)), (Times{100, 101, 102}));
  order.release();
  ring.submit(busy);
  order.fill();
  EXPECT_EQ(times(order.ready(103)), (Times{90, 103}));
}

struct BehindCase {
  const char* name;
  std::size_t ring_bytes;
  std::size_t batch_packets;  // what bounds a batch
};
class ReaderBehind : public testing::TestWithParam<BehindCase> {
 protected:
  // Reads until the ring is empty, all packets being old; the times in the order shown.
  Times read_all(TimeOrder& order) {
    Times all;
    bool is_more = true;
    for (int looks = 0; is_more; ++looks) {
      if (looks > 100) {
        ADD_FAILURE() << "no end";
        break;
      }
      is_more = order.fill();
      const Times batch = times(order.ready(100'000'000));
      EXPECT_FALSE(is_more && batch.empty()) << "a look without progress";
      all.insert(all.end(), batch.begin(), batch.end());
      order.release();
    }
    return all;
  }
};

TEST_P(ReaderBehind, KeepsTheOrderAcrossBatches) {
  FakeRing ring(GetParam().ring_bytes);
  RingReader reader(ring.memory());
  for (const std::uint64_t step_ns :
       {1U, 400U, 5'000U}) {  // a batch of less and of more than a look-back
    TimeOrder order(reader, kLookBackNs);
    const std::size_t count = GetParam().batch_packets;
    for (std::size_t i = 1; i < count; ++i) {
      ring.add(at(50'000'000 - (count - i) * step_ns));
    }
    ring.add(at(50'000'000));
    ring.add(at(49'999'997));
    ring.add(at(50'000'010));
    const Times all = read_all(order);
    EXPECT_EQ(all.size(), count + 2);
    EXPECT_TRUE(std::ranges::is_sorted(all)) << step_ns;
    EXPECT_EQ(ring.consumer, ring.producer);
  }
}

TEST_P(ReaderBehind, ShowsAtLeastHalfAndHoldsTheNewest) {
  FakeRing ring(GetParam().ring_bytes);
  RingReader reader(ring.memory());
  TimeOrder order(reader, kLookBackNs);
  const std::size_t count = GetParam().batch_packets;
  for (std::size_t i = 0; i < 2 * count; ++i) {
    ring.add(at(100));
  }
  EXPECT_TRUE(order.fill());
  EXPECT_EQ(order.ready(kEverything).size(), count / 2) << "no time is older than the others";
  order.release();
  EXPECT_TRUE(order.fill());
  EXPECT_EQ(order.ready(kEverything).size(), count / 2) << "held packets are part of a batch";
  order.release();
  EXPECT_EQ(ring.consumer, count * 64U);
}

INSTANTIATE_TEST_SUITE_P(Bounds, ReaderBehind,
                         testing::Values(BehindCase{"packets", 1 << 21, 4096},
                                         BehindCase{"bytes", 4096, 16}),
                         [](const auto& bound) { return std::string(bound.param.name); });

TEST(TimeOrder, ABatchAcrossALongTimeGoesUpToItsNewestLessTheLookBack) {
  FakeRing ring(4096);
  RingReader reader(ring.memory());
  TimeOrder order(reader, kLookBackNs);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    ring.add(at(500 * i));
  }
  EXPECT_TRUE(order.fill());
  EXPECT_EQ(order.ready(kEverything).back().packet.ktime_ns, 7'000U) << "16 * 500 - 1000";
  EXPECT_EQ(order.ready(5'000).back().packet.ktime_ns, 5'000U) << "young, too";
}

TEST(TimeOrder, ABatchIsBounded) {
  FakeRing ring(1 << 20);
  RingReader reader(ring.memory());
  TimeOrder order(reader, kLookBackNs);
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
  EXPECT_EQ(batches, 4) << "4096, then 2048 at a time";
}

TEST(TimeOrder, CountsRecordsThatMakeNoSense) {
  FakeRing ring(4096);
  RingReader reader(ring.memory());
  TimeOrder order(reader, kLookBackNs);
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

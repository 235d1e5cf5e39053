// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/time_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "xdpcap/tests/ring/fake_ring.h"

namespace xdpcap {
namespace {

using test::FakeRing;

constexpr std::uint64_t kEverything = UINT64_MAX;
constexpr std::uint64_t kLookBackNs = 1000;

std::vector<std::uint8_t> at(std::uint64_t ktime_ns, std::uint8_t mark = 0) {
  return test::make_record({.ktime_ns = ktime_ns, .captured_bytes = 32}, mark);  // 64 in the ring
}

std::vector<std::uint64_t> times(std::span<const TimeOrder::Pending> ready) {
  std::vector<std::uint64_t> result;
  for (const TimeOrder::Pending& held : ready) {
    result.push_back(held.packet.ktime_ns);
  }
  return result;
}

using Times = std::vector<std::uint64_t>;

TEST(TimeOrder, SortsABatchAndKeepsTies) {
  FakeRing ring(4096);
  const RecordReaders readers = test::readers_of(ring);
  TimeOrder order(readers, kLookBackNs);
  for (const std::uint64_t time : {30U, 10U, 20U}) {
    ring.add(at(time));
  }
  ring.add(at(20, 1));
  EXPECT_FALSE(order.fill());
  const std::span<const TimeOrder::Pending> ready = order.ready(kEverything);
  EXPECT_EQ(times(ready), (Times{10, 20, 20, 30}));
  EXPECT_EQ(ready[1].packet.bytes[0], 0U);
  EXPECT_EQ(ready[2].packet.bytes[0], 1U);
  order.release();
  EXPECT_EQ(ring.consumer, ring.producer);
  EXPECT_FALSE(order.is_waiting());
}

TEST(TimeOrder, HoldsBackAcrossBatches) {
  FakeRing ring(4096);
  const RecordReaders readers = test::readers_of(ring);
  TimeOrder order(readers, kLookBackNs);
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
  const RecordReaders readers = test::readers_of(ring);
  TimeOrder order(readers, kLookBackNs);
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
  const RecordReaders readers = test::readers_of(ring);
  TimeOrder order(readers, kLookBackNs);
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
  const RecordReaders readers = test::readers_of(ring);
  for (const std::uint64_t step_ns :
       {1U, 400U, 5'000U}) {  // a batch of less and of more than a look-back
    TimeOrder order(readers, kLookBackNs);
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
  const RecordReaders readers = test::readers_of(ring);
  TimeOrder order(readers, kLookBackNs);
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
  const RecordReaders readers = test::readers_of(ring);
  TimeOrder order(readers, kLookBackNs);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    ring.add(at(500 * i));
  }
  EXPECT_TRUE(order.fill());
  EXPECT_EQ(order.ready(kEverything).back().packet.ktime_ns, 7'000U) << "16 * 500 - 1000";
  EXPECT_EQ(order.ready(5'000).back().packet.ktime_ns, 5'000U) << "young, too";
}

TEST(TimeOrder, ABatchIsBounded) {
  FakeRing ring(1 << 20);
  const RecordReaders readers = test::readers_of(ring);
  TimeOrder order(readers, kLookBackNs);
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
  const RecordReaders readers = test::readers_of(ring);
  TimeOrder order(readers, kLookBackNs);
  ring.add(std::vector<std::uint8_t>(20));
  ring.add(at(1));
  ring.add(std::vector<std::uint8_t>(64));
  order.fill();
  EXPECT_EQ(order.ready(kEverything).size(), 1U);
  order.release();
  EXPECT_EQ(order.corrupt_records(), 2U);
  EXPECT_EQ(ring.consumer, ring.producer);
}

/// Rings of several CPUs, and an order over them.
class Cpus {
 public:
  explicit Cpus(std::size_t count, std::size_t ring_bytes = 4096)
      : rings_(make_rings(count, ring_bytes)),
        readers_(make_readers(rings_)),
        order_(readers_, kLookBackNs) {}
  FakeRing& ring(std::size_t cpu) { return *rings_[cpu]; }
  TimeOrder& order() { return order_; }
  Times look(std::uint64_t horizon) {
    order_.fill();
    const Times shown = times(order_.ready(horizon));
    order_.release();
    return shown;
  }
  bool are_released() const {
    return std::ranges::all_of(rings_,
                               [](const auto& ring) { return ring->consumer == ring->producer; });
  }

 private:
  using Rings = std::vector<std::unique_ptr<FakeRing>>;
  static Rings make_rings(std::size_t count, std::size_t ring_bytes) {
    Rings rings;
    for (std::size_t i = 0; i < count; ++i) {
      rings.push_back(std::make_unique<FakeRing>(ring_bytes));
    }
    return rings;
  }
  static RecordReaders make_readers(const Rings& rings) {
    RecordReaders readers;
    for (const auto& ring : rings) {
      readers.push_back(std::make_unique<RingReader>(ring->memory()));
    }
    return readers;
  }
  Rings rings_;
  RecordReaders readers_;
  TimeOrder order_;
};

TEST(TimeOrderOfCpus, MergesTheirRings) {
  Cpus cpus(4);
  cpus.ring(0).add(at(10));
  cpus.ring(2).add(at(11));
  cpus.ring(0).add(at(20));
  cpus.ring(2).add(at(20));
  cpus.ring(1).add(at(15));
  cpus.ring(0).add(at(30));
  EXPECT_EQ(cpus.look(25), (Times{10, 11, 15, 20, 20}));
  EXPECT_TRUE(cpus.order().is_waiting());
  cpus.ring(3).add(at(26));
  EXPECT_EQ(cpus.look(30), (Times{26, 30}));
  EXPECT_FALSE(cpus.order().is_waiting());
  EXPECT_TRUE(cpus.are_released());
}

TEST(TimeOrderOfCpus, ABusyRecordHoldsUpNoOtherCpu) {
  Cpus cpus(2);
  const RingPosition busy = cpus.ring(0).reserve(at(12));
  cpus.ring(1).add(at(10));
  cpus.ring(1).add(at(20));
  EXPECT_EQ(cpus.look(11), (Times{10}));
  cpus.ring(0).submit(busy);
  EXPECT_EQ(cpus.look(30), (Times{12, 20}));
  EXPECT_TRUE(cpus.are_released());
}

TEST(TimeOrderOfCpus, WhatIsBehindOnOneHoldsBackTheOthers) {
  Cpus cpus(2);
  for (std::uint64_t i = 1; i <= 20; ++i) {  // 16 are a batch
    cpus.ring(0).add(at(500 * i));
  }
  cpus.ring(1).add(at(3'100));
  cpus.ring(1).add(at(7'600));
  cpus.ring(1).add(at(8'600));
  Times shown = cpus.look(kEverything);
  EXPECT_EQ(shown.back(), 7'000U) << "16 * 500 - 1000";
  while (cpus.order().is_waiting()) {
    const Times more = cpus.look(kEverything);
    ASSERT_FALSE(more.empty());
    shown.insert(shown.end(), more.begin(), more.end());
  }
  EXPECT_EQ(shown.size(), 23U);
  EXPECT_TRUE(std::ranges::is_sorted(shown));
  EXPECT_TRUE(cpus.are_released());
}

TEST(TimeOrderOfCpus, AFullRingDrivesOutWhatIsOlderElsewhere) {
  Cpus cpus(2);
  for (std::uint64_t i = 0; i < 20; ++i) {
    cpus.ring(0).add(at(100 + i));
  }
  cpus.ring(1).add(at(101));
  cpus.ring(1).add(at(150));
  const Times shown = cpus.look(0);  // all are young, but ring 0 is more than a quarter full
  EXPECT_EQ(shown, (Times{100, 101, 101, 102, 103, 104, 105, 106, 107}));
}

TEST(TimeOrderOfCpus, ManyCpusAndManyPackets) {
  Cpus cpus(100);
  std::uint64_t time = 1000;
  std::uint64_t state = 1;
  Times shown;
  std::size_t added = 0;
  for (int look = 0; look < 200; ++look) {
    for (int i = 0; i < 300; ++i) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      cpus.ring((state >> 33U) % 100).add(at(time += (state >> 60U)));
      ++added;
    }
    const Times more = cpus.look(time > kLookBackNs ? time - kLookBackNs : 0);
    shown.insert(shown.end(), more.begin(), more.end());
  }
  const Times rest = cpus.look(kEverything);
  shown.insert(shown.end(), rest.begin(), rest.end());
  EXPECT_EQ(shown.size(), added);
  EXPECT_TRUE(std::ranges::is_sorted(shown));
  EXPECT_TRUE(cpus.are_released());
}

}  // namespace
}  // namespace xdpcap

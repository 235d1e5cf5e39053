// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/clock.h"

#include <gtest/gtest.h>

#include <deque>

namespace xdpcap {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

// Every reading takes some time; `delays` are used up first, then readings take `usual_delay`.
class FakeTime final : public TimeSource {
 public:
  std::uint64_t monotonic_ns() override { return pass(); }
  std::uint64_t realtime_ns() override { return pass() + offset; }

  std::uint64_t now = 1000 * kSecond;
  std::uint64_t offset = 1'700'000'000 * kSecond;
  std::uint64_t usual_delay = 20;
  std::deque<std::uint64_t> delays;

 private:
  std::uint64_t pass() {
    std::uint64_t delay = usual_delay;
    if (!delays.empty()) {
      delay = delays.front();
      delays.pop_front();
    }
    now += delay;
    return now;
  }
};

TEST(WallClock, AddsTheOffset) {
  FakeTime time;
  const WallClock clock(time);
  EXPECT_EQ(clock.to_wall_ns(1234 * kSecond), time.offset + 1234 * kSecond);
  EXPECT_EQ(clock.to_wall_ns(0), time.offset);
}

TEST(WallClock, KeepsTheTightestSample) {
  FakeTime time;
  // All readings but those of the third sample are interrupted on one side for a long time.
  time.usual_delay = 50'000;
  time.delays = {10, 90'000, 10, 90'000, 10, 20, 20, 90'000, 10, 70'000, 10};
  const WallClock clock(time);
  EXPECT_EQ(clock.to_wall_ns(0), time.offset);
}

TEST(WallClock, FollowsAStepAfterASecond) {
  for (const std::int64_t step_ns : {3'600'000'000'000LL, -3'600'000'000'000LL, 1000LL, -1000LL}) {
    FakeTime time;
    WallClock clock(time);
    const std::uint64_t old_offset = time.offset;
    time.offset += static_cast<std::uint64_t>(step_ns);
    clock.refresh(time.now + kSecond / 2);
    EXPECT_EQ(clock.to_wall_ns(0), old_offset) << step_ns;
    time.now += kSecond;
    clock.refresh(time.now);
    EXPECT_EQ(clock.to_wall_ns(0), time.offset) << step_ns;
  }
}

TEST(WallClock, NoiseDoesNotMoveTimes) {
  FakeTime time;
  WallClock clock(time);
  const std::uint64_t before = clock.to_wall_ns(5);
  for (std::uint64_t i = 0; i < 100; ++i) {
    time.now += kSecond;
    time.delays = {};
    for (int reading = 0; reading < 20; ++reading) {
      time.delays.push_back(i * 7 % 100 + (reading % 2 == 0 ? 0 : 30));  // lopsided brackets
    }
    clock.refresh(time.now);
    ASSERT_EQ(clock.to_wall_ns(5), before) << i;
  }
}

TEST(WallClock, AgreesWithTheSystem) {
  SystemTime time;
  const WallClock clock(time);
  const std::uint64_t before = time.realtime_ns();
  const std::uint64_t now = clock.to_wall_ns(time.monotonic_ns());
  const std::uint64_t after = time.realtime_ns();
  constexpr std::uint64_t kTolerance = 100'000;
  EXPECT_GE(now + kTolerance, before);
  EXPECT_LE(now, after + kTolerance);
}

}  // namespace
}  // namespace xdpcap

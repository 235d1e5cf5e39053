// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/rate_trigger.h"

#include <gtest/gtest.h>

#include <vector>

namespace xdpcap {
namespace {

constexpr std::uint64_t kTickNs = RateTrigger::kIntervalNs;

/// Looks at each counter, one tick after the other; the rates that fired, 0 where nothing did.
std::vector<std::uint64_t> fired(RateTrigger& trigger, const std::vector<std::uint64_t>& counters,
                                 std::uint64_t first_ns = 5'000'000'000) {
  std::vector<std::uint64_t> rates;
  for (std::size_t i = 0; i < counters.size(); ++i) {
    rates.push_back(trigger.look(first_ns + i * kTickNs, counters[i]).value_or(0));
  }
  return rates;
}

RateTrigger trigger_at(std::uint64_t packets_per_second) {
  return RateTrigger({.action = Action::Drop, .packets_per_second = packets_per_second});
}

TEST(RateTrigger, TheExampleOfItsHeader) {
  RateTrigger trigger = trigger_at(100);
  EXPECT_EQ(fired(trigger, {0, 90, 110, 110, 110, 110, 110, 110, 110, 110, 110, 120, 130, 290}),
            (std::vector<std::uint64_t>{0, 0, 110, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 180}));
}

TEST(RateTrigger, NeverFiresOnTheFirstLook) {
  RateTrigger trigger = trigger_at(1);
  EXPECT_FALSE(trigger.look(0, 1'000'000));
  EXPECT_FALSE(trigger.look(kTickNs, 1'000'000));
}

TEST(RateTrigger, FiresOnceWhileTheRateIsHigh) {
  RateTrigger trigger = trigger_at(1000);
  std::vector<std::uint64_t> counters;
  for (std::uint64_t i = 0; i < 100; ++i) {
    counters.push_back(7 + i * 200);  // 2000 a second
  }
  const std::vector<std::uint64_t> rates = fired(trigger, counters);
  for (std::size_t i = 0; i < rates.size(); ++i) {
    EXPECT_EQ(rates[i], i == 6 ? 1200U : 0U) << i;
  }
}

TEST(RateTrigger, FiresAgainAfterTheRateWasBelow) {
  RateTrigger trigger = trigger_at(100);
  int fires = 0;
  std::uint64_t counter = 0;
  std::uint64_t now_ns = 0;
  for (int burst = 0; burst < 3; ++burst) {
    for (int tick = 0; tick < 20; ++tick) {
      counter += tick < 5 ? 50 : 0;
      fires += trigger.look(now_ns, counter) ? 1 : 0;
      now_ns += kTickNs;
    }
    EXPECT_EQ(fires, burst + 1);
  }
}

TEST(RateTrigger, TheLimitItselfIsNotPassedAndDoesNotArm) {
  RateTrigger trigger = trigger_at(100);
  const std::vector<std::uint64_t> steady = {0,  10, 20, 30,  40,  50,  60,
                                             70, 80, 90, 100, 110, 120, 130};
  for (const std::uint64_t rate : fired(trigger, steady)) {
    EXPECT_EQ(rate, 0U);
  }
  EXPECT_EQ(trigger.look(6'400'000'000, 141), 101U);
  EXPECT_FALSE(trigger.look(6'500'000'000, 150));  // 100: not below
  EXPECT_FALSE(trigger.look(6'600'000'000, 161));
}

TEST(RateTrigger, ALateLookMeasuresALongerWindow) {
  RateTrigger trigger = trigger_at(100);
  EXPECT_FALSE(trigger.look(0, 0));
  EXPECT_FALSE(trigger.look(10'000'000'000, 1000)) << "a hundred a second for ten seconds";
  EXPECT_EQ(trigger.look(10'100'000'000, 1100), 108U) << "1100 in 10.1 seconds";
}

TEST(RateTrigger, ACounterThatGoesBackStandsStill) {
  RateTrigger trigger = trigger_at(10);
  EXPECT_EQ(fired(trigger, {100, 50, 0, 105, 111}), (std::vector<std::uint64_t>{0, 0, 0, 0, 11}));
}

TEST(RateTrigger, CountsLongerThanTheClockRuns) {
  RateTrigger trigger = trigger_at(1'000'000'000);
  EXPECT_FALSE(trigger.look(0, 0));
  EXPECT_EQ(trigger.look(kTickNs, UINT64_MAX / 2), UINT64_MAX / 2 + 1);
}

}  // namespace
}  // namespace xdpcap

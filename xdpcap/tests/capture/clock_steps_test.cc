// SPDX-License-Identifier: BSD-3-Clause
//
// The wall clock set by years, forwards and backwards, in the middle of a capture: packets have the time that was shown when they came, or within a
// second before; counts and waits do not depend on it.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "xdpcap/tests/capture/loop_stage.h"

namespace xdpcap {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kYearNs = 365LL * 86'400 * 1'000'000'000;

/// Clocks that run a good deal faster than time, and a wall clock that is set.
class SetClocks final : public TimeSource {
 public:
  std::uint64_t monotonic_ns() override {
    faster_ns_ += kSecondNs / 20;
    return system_.monotonic_ns() + faster_ns_;
  }
  std::uint64_t realtime_ns() override {
    return system_.realtime_ns() + faster_ns_ + static_cast<std::uint64_t>(step_ns_);
  }
  // Kernel time and wall-clock time without making them pass.
  std::uint64_t now_ns() { return system_.monotonic_ns() + faster_ns_; }
  std::uint64_t wall_ns() { return realtime_ns(); }
  void set_by(std::int64_t step_ns) { step_ns_ += step_ns; }

 private:
  SystemTime system_;
  std::uint64_t faster_ns_ = 0;
  std::int64_t step_ns_ = 0;
};

class ClockSteps : public test::LoopStage {};

TEST_F(ClockSteps, OfYearsBothWaysAreFollowed) {
  constexpr std::array kSteps = {20 * kYearNs, -40 * kYearNs, 0L, 15 * kYearNs};
  SetClocks time;
  std::vector<std::uint64_t> shown_ns;  // when each packet came
  std::size_t seconds = 0;
  options_.readers.once_a_second = [&](const CaptureStatistics& statistics) {
    // The clock was set two readings ago, so its step is known by now.
    const std::uint64_t wall_ns = time.wall_ns();
    if (seconds % 3 == 2) {
      const auto behind_ns = static_cast<std::int64_t>(wall_ns - statistics.wall_ns);
      EXPECT_LT(std::abs(behind_ns), static_cast<std::int64_t>(2 * kSecondNs)) << seconds;
      add(Action::Drop, time.now_ns());
      shown_ns.push_back(wall_ns);
    } else if (seconds % 3 == 0) {
      if (seconds / 3 == kSteps.size()) {
        signal();
        return;
      }
      time.set_by(kSteps.at(seconds / 3));
    }
    ++seconds;
  };
  Result<PcapngWriter> writer = PcapngWriter::start(sink_, section_);
  ASSERT_TRUE(writer);
  const auto start = std::chrono::steady_clock::now();
  const CaptureSummary summary = run_capture(source_, readers_, *writer, sink_, time, options_);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  EXPECT_EQ(summary.end, CaptureEnd::Signal);
  EXPECT_TRUE(sum(summary.totals).is_balanced());
  EXPECT_EQ(sum(summary.totals).written, kSteps.size());
  const std::vector<test::WalkedPacket> written = packets();
  ASSERT_EQ(written.size(), shown_ns.size());
  for (std::size_t i = 0; i < written.size(); ++i) {
    const auto difference_ns = static_cast<std::int64_t>(written[i].time_ns - shown_ns[i]);
    EXPECT_LT(std::abs(difference_ns), static_cast<std::int64_t>(kSecondNs)) << i;
  }
  EXPECT_EQ(statistics_blocks(), 2U);
}

}  // namespace
}  // namespace xdpcap

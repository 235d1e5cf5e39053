// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/count_loop.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>

#include "base/unique_fd.h"

namespace xdpcap {
namespace {

class FakeSource final : public CaptureSource {
 public:
  Result<std::vector<ActionCounters>> counters_by_cpu() override {
    if (fails) {
      return fail(Errc::Kernel, "read counters: gone", EBADF);
    }
    return std::vector<ActionCounters>{now, {}};
  }
  Result<void> detach() override {
    now[1].received += 100;  // until the very end
    is_detached = true;
    return {};
  }
  ActionCounters now{};
  bool fails = false;
  bool is_detached = false;
};

TEST(CountLoop, CountsUntilASignal) {
  FakeSource source;
  source.now[1] = {.received = 5, .matched = 2};
  source.now[2] = {.received = 7, .matched = 7};
  const UniqueFd signals(::eventfd(0, EFD_CLOEXEC));
  int calls = 0;
  const auto stop_at_second_call = [&](const CaptureStatistics& statistics) {
    EXPECT_EQ(statistics.by_cpu.at(0)[2].received, 7U);
    EXPECT_EQ(statistics.totals[1].received, 5U);
    EXPECT_EQ(statistics.totals[2].received, 0U);  // not captured
    if (++calls == 2) {
      EXPECT_EQ(::eventfd_write(signals.get(), 1), 0);
    }
  };
  const auto start = std::chrono::steady_clock::now();
  SystemTime time;
  std::uint64_t received_at_the_end = 0;
  const CaptureSummary summary =
      run_count(source, time,
                {.actions = {Action::Drop},
                 .signal_fd = signals.get(),
                 .readers = {.once_a_second = stop_at_second_call,
                             .at_the_end = [&](const CaptureStatistics& statistics) {
                               received_at_the_end = statistics.totals[1].received;
                             }}});
  const auto taken = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(calls, 2);
  EXPECT_GE(taken, std::chrono::milliseconds(1900));
  EXPECT_LT(taken, std::chrono::milliseconds(2900));
  EXPECT_EQ(summary.end, CaptureEnd::Signal);
  EXPECT_TRUE(source.is_detached);
  EXPECT_EQ(received_at_the_end, 105U);
  EXPECT_TRUE(summary.are_totals_known);
  EXPECT_EQ(sum(summary.totals), (PacketTotals{.received = 105, .matched = 2}));
}

TEST(CountLoop, AFailureEndsIt) {
  FakeSource source;
  source.fails = true;
  const UniqueFd signals(::eventfd(0, EFD_CLOEXEC));
  SystemTime time;
  const CaptureSummary summary = run_count(
      source, time, {.actions = {Action::Drop}, .signal_fd = signals.get(), .readers = {}});
  EXPECT_EQ(summary.end, CaptureEnd::Failed);
  ASSERT_TRUE(summary.error);
  EXPECT_EQ(summary.error->message, "read counters: gone");
  EXPECT_FALSE(summary.are_totals_known);
  EXPECT_TRUE(source.is_detached);
}

}  // namespace
}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause

#include "capture/count_loop.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>

#include "kernel/unique_fd.h"

namespace xdpcap {
namespace {

class FakeSource final : public CaptureSource {
 public:
  Result<ActionCounters> counters() override {
    if (fails) {
      return fail(Errc::Kernel, "read counters: gone", EBADF);
    }
    ++reads;
    return now;
  }
  Result<void> detach() override {
    now[1].received += 100;  // until the very end
    is_detached = true;
    return {};
  }
  ActionCounters now{};
  int reads = 0;
  bool fails = false;
  bool is_detached = false;
};

TEST(CountLoop, CountsUntilASignal) {
  FakeSource source;
  source.now[1] = {.received = 5, .matched = 2};
  source.now[2] = {.received = 7, .matched = 7};
  const UniqueFd signals(::eventfd(0, EFD_CLOEXEC));
  int calls = 0;
  const auto stop_at_second_call = [&](const ActionCounters& counters) {
    EXPECT_EQ(counters[2].received, 7U);
    if (++calls == 2) {
      EXPECT_EQ(::eventfd_write(signals.get(), 1), 0);
    }
  };
  const auto start = std::chrono::steady_clock::now();
  const CaptureSummary summary = run_count(
      source,
      {.actions = {Action::Drop}, .signal_fd = signals.get(), .status = stop_at_second_call});
  const auto taken = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(calls, 2);
  EXPECT_GE(taken, std::chrono::milliseconds(1900));
  EXPECT_LT(taken, std::chrono::milliseconds(2900));
  EXPECT_EQ(summary.end, CaptureEnd::Signal);
  EXPECT_TRUE(source.is_detached);
  EXPECT_EQ(sum(summary.totals), (PacketTotals{.received = 105, .matched = 2}));
}

TEST(CountLoop, AFailureEndsIt) {
  FakeSource source;
  source.fails = true;
  const UniqueFd signals(::eventfd(0, EFD_CLOEXEC));
  const CaptureSummary summary =
      run_count(source, {.actions = {Action::Drop}, .signal_fd = signals.get(), .status = {}});
  EXPECT_EQ(summary.end, CaptureEnd::Failed);
  ASSERT_TRUE(summary.error);
  EXPECT_EQ(summary.error->message, "read counters: gone");
  EXPECT_TRUE(source.is_detached);
}

}  // namespace
}  // namespace xdpcap

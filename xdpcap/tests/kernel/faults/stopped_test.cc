// SPDX-License-Identifier: BSD-3-Clause
//
// Processes that are stopped in the middle of what they do: traffic does not notice, losses are counted, and nobody waits for them longer
// than some seconds.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "xdpcap/tests/kernel/faults/stage.h"

namespace xdpcap::test {
namespace {

using std::chrono::steady_clock;

// A turn of the lock is waited for two seconds at most, three times when a capture starts, once when it leaves; a guardian three.
constexpr Millis kMostWait(7'500);
constexpr Millis kMostWaitForGuardian(3'500);
constexpr Millis kStopped(2'000);

template <typename Function>
Millis time_of(Function function) {
  const auto before = steady_clock::now();
  function();
  return std::chrono::duration_cast<Millis>(steady_clock::now() - before);
}

class Stopped : public FaultTest {};

TEST_F(Stopped, CapturesCountWhatTheyMiss) {
  const Stage stage;
  SharedCapture witness(stage, "");
  ASSERT_TRUE(witness.enters());
  const std::string file = stage.rig().file("out.pcapng");
  SharedCapture capture(stage, file, {"-B", "64K"});
  ASSERT_TRUE(capture.enters());
  Traffic traffic(stage.rig());
  traffic.await_more(1'000);
  capture.process().signal(SIGSTOP);
  std::this_thread::sleep_for(kStopped);
  capture.process().signal(SIGCONT);
  traffic.await_more(1'000);
  const Tally tally = traffic.stop();
  const Totals totals = capture.stop();
  expect_exact(totals, tally);
  expect_balance(totals);
  EXPECT_EQ(totals.matched, totals.received);
  EXPECT_GT(totals.lost, 0U);
  EXPECT_EQ(count_with_tcpdump(file), totals.written);
  expect_exact(witness.stop(), tally);
  fmt::print("{} frames, {} lost while stopped\n", tally.sent(), totals.lost);
}

TEST_F(Stopped, GuardiansKeepNobodyInTheHook) {
  const Stage stage;
  SharedCapture witness(stage, "");
  ASSERT_TRUE(witness.enters());
  SharedCapture capture(stage, "/dev/null");
  ASSERT_TRUE(capture.enters());
  const pid_t guardian = capture.guardian().value();
  Traffic traffic(stage.rig());
  signal_process(guardian, SIGSTOP);
  SharedCapture next(stage, "");
  const Millis start = time_of([&] { EXPECT_TRUE(next.enters(kMostWait)); });
  next.stop();
  const Millis stop = time_of([&] {
    capture.process().signal(SIGINT);
    EXPECT_EQ(capture.process().wait(kMostWaitForGuardian).exit_code, 1);
  });
  EXPECT_TRUE(capture.says("the guardian process does not answer"));
  signal_process(guardian, SIGCONT);  // it finds that its capture has gone
  EXPECT_TRUE(stage.are_members({witness.pid()}, Millis(1'000)));
  const Tally tally = traffic.stop();
  expect_exact(witness.stop(), tally);
  fmt::print("beside a stopped guardian: started in {} ms; its capture stopped in {} ms\n",
             start.count(), stop.count());
}

TEST_F(Stopped, AHolderOfTheLockKeepsNobodyWaiting) {
  const Stage stage;
  SharedCapture witness(stage, "");
  ASSERT_TRUE(witness.enters());
  SharedCapture victim(stage, "/dev/null");
  EXPECT_TRUE(victim.enters()) << victim.process().errors();
  Traffic traffic(stage.rig());
  const std::string directory = ChainDirectory::path_for(stage.rig().hook());
  Process holder({"flock", "--no-fork", directory, "sleep", "1000"});
  ASSERT_TRUE(becomes_true(
      [&] { return run({"flock", "--nonblock", directory, "true"}).end.exit_code == 1; }));
  holder.signal(SIGSTOP);
  SharedCapture capture(stage, "/dev/null");
  const Millis start =
      time_of([&] { EXPECT_TRUE(capture.enters(kMostWait)) << capture.process().errors(); });
  victim.process().signal(SIGKILL);
  const Millis removal = time_of(
      [&] { EXPECT_TRUE(stage.are_members({witness.pid(), capture.pid()}, Millis(3'000))); });
  const Millis stop = time_of([&] { expect_balance(capture.stop(kMostWait)); });
  holder.signal(SIGKILL);
  const Tally tally = traffic.stop();
  expect_exact(witness.stop(), tally);
  fmt::print(
      "with the lock held: started in {} ms, killed and removed in {} ms, stopped in {} ms\n",
      start.count(), removal.count(), stop.count());
}

}  // namespace
}  // namespace xdpcap::test

// SPDX-License-Identifier: BSD-3-Clause
//
// Captures and guardians killed at any moment, under traffic: verdicts stay, others on the hook lose nothing, and what was killed
// is out of the hook soon.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <memory>
#include <random>
#include <thread>

#include "xdpcap/tests/kernel/faults/rounds.h"
#include "xdpcap/tests/kernel/faults/stage.h"

namespace xdpcap::test {
namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;

/// How long starting and stopping take here.
struct Times {
  microseconds start{0};
  microseconds stop{0};
};

class Killed : public FaultTest {
 protected:
  std::vector<std::string> victim_options() { return {"-q", "-s", "64", "-B", "64K"}; }

  Times measure(const Stage& stage) {
    const auto before = steady_clock::now();
    SharedCapture capture(stage, "/dev/null");
    EXPECT_TRUE(capture.enters());
    const auto entered = steady_clock::now();
    capture.stop();
    return {.start = std::chrono::duration_cast<microseconds>(entered - before),
            .stop = std::chrono::duration_cast<microseconds>(steady_clock::now() - entered)};
  }

  void sleep_up_to(microseconds most) {
    std::this_thread::sleep_for(
        microseconds(std::uniform_int_distribution<std::int64_t>(0, most.count())(random_)));
  }

  // Goes to a random moment of its start, its running or its end.
  void go_to_some_moment(SharedCapture& victim, const Times& times) {
    switch (moments_++ % 3) {
      case 0: sleep_up_to(times.start * 5 / 4); break;
      case 1:
        EXPECT_TRUE(victim.enters()) << victim.process().errors();
        sleep_up_to(microseconds(20'000));
        break;
      default:
        EXPECT_TRUE(victim.enters()) << victim.process().errors();
        victim.process().signal(SIGINT);
        sleep_up_to(times.stop * 5 / 4);
    }
  }

  void kill_somewhere(const Stage& stage, const Times& times) {
    SharedCapture victim(stage, "/dev/null", victim_options());
    go_to_some_moment(victim, times);
    victim.process().signal(SIGKILL);
    victim.process().wait();
  }

 private:
  std::mt19937 random_{23};
  int moments_ = 0;
};

TEST_F(Killed, CapturesLeaveTheOthersAlone) {
  const int kills = rounds_of(50);
  const Stage stage;
  SharedCapture witness(stage, "");
  ASSERT_TRUE(witness.enters());
  Traffic traffic(stage.rig());
  const Times times = measure(stage);
  for (int i = 0; i < kills; ++i) {
    SCOPED_TRACE(i);
    kill_somewhere(stage, times);
    EXPECT_TRUE(stage.are_members({witness.pid()}, Millis(1'000)));
  }
  const Tally tally = traffic.stop();
  expect_exact(witness.stop(), tally);
  fmt::print("{} killed beside another, {} frames, {} wrong\n", kills, tally.sent(), tally.wrong);
}

TEST_F(Killed, CapturesAloneLeaveEmptySlots) {
  const int kills = rounds_of(50);
  const Stage stage;
  Traffic traffic(stage.rig());
  const Times times = measure(stage);
  for (int i = 0; i < kills; ++i) {
    SCOPED_TRACE(i);
    kill_somewhere(stage, times);
    EXPECT_TRUE(becomes_true(
        [&] { return filled_slots(stage.hook_fd()) == 0 && stage.guardians().empty(); },
        Millis(1'000)));
  }
  const Tally tally = traffic.stop();
  EXPECT_EQ(tally.wrong, 0U);
  fmt::print("{} killed alone, {} frames, {} wrong\n", kills, tally.sent(), tally.wrong);
}

// Of bugs, of abort(3), of a debugger, of a limit: none of them is left time to say goodbye.
TEST_F(Killed, ByAnyOtherSignalTheyLeaveAsWell) {
  const Stage stage;
  SharedCapture witness(stage, "");
  ASSERT_TRUE(witness.enters());
  Traffic traffic(stage.rig());
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP, SIGXCPU}) {
    SCOPED_TRACE(::strsignal(signal));
    SharedCapture victim(stage, "/dev/null", victim_options());
    ASSERT_TRUE(victim.enters());
    victim.process().signal(signal);
    const Ended end = victim.process().wait();
    EXPECT_TRUE(end.is_over);
    EXPECT_NE(end.exit_code, 0);
    EXPECT_TRUE(stage.are_members({witness.pid()}, Millis(1'000)));
  }
  const Tally tally = traffic.stop();
  expect_exact(witness.stop(), tally);
}

TEST_F(Killed, WithTheirGuardiansAreRemovedByTheNext) {
  const int kills = rounds_of(51);
  const Stage stage;
  Traffic traffic(stage.rig());
  const Times times = measure(stage);
  int removed = 0;
  for (int i = 0; i < kills; ++i) {
    SCOPED_TRACE(i);
    SharedCapture victim(stage, "/dev/null", victim_options());
    go_to_some_moment(victim, times);
    victim.kill_with_guardian();
    const std::size_t left = filled_slots(stage.hook_fd());
    traffic.await_more(1'000);
    if (left == 0) {
      continue;
    }
    SharedCapture next(stage, "");
    EXPECT_TRUE(next.enters()) << next.process().errors();
    EXPECT_TRUE(next.says(fmt::format("pid {} (", victim.pid()))) << next.process().errors();
    EXPECT_TRUE(next.says("removed from the hook"));
    EXPECT_EQ(stage.members().size(), 1U);
    const std::uint64_t before = traffic.tally().sent();
    traffic.await_more(1'000);
    const std::uint64_t after = traffic.tally().sent();
    EXPECT_GE(next.stop().received, after - before);
    EXPECT_EQ(filled_slots(stage.hook_fd()), 0U);
    ++removed;
  }
  EXPECT_GE(removed, kills / 3);
  clean_up_with_another(stage);
  const Tally tally = traffic.stop();
  EXPECT_EQ(tally.wrong, 0U);
  fmt::print("{} killed with guardian, {} of them removed by the next, {} frames, {} wrong\n",
             kills, removed, tally.sent(), tally.wrong);
}

TEST_F(Killed, WithTheirGuardiansAreRemovedByGuardiansOfOthers) {
  constexpr int kRounds = 6;
  const Stage stage;
  SharedCapture witness(stage, "");
  ASSERT_TRUE(witness.enters());
  Traffic traffic(stage.rig());
  const Times times = measure(stage);
  int kills = 0;
  std::size_t by_guardians = 0;
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    // All start before the first is killed: one that started later would remove it.
    std::array<std::unique_ptr<SharedCapture>, 3> victims;
    for (std::unique_ptr<SharedCapture>& victim : victims) {
      victim = std::make_unique<SharedCapture>(stage, "/dev/null", victim_options());
      EXPECT_TRUE(victim->enters()) << victim->process().errors();
    }
    for (const std::unique_ptr<SharedCapture>& victim : victims) {
      go_to_some_moment(*victim, times);
      victim->kill_with_guardian();
      ++kills;
    }
    by_guardians += stage.members().size() - 1;
    EXPECT_TRUE(stage.are_members({witness.pid()}, Millis(3'000)));
  }
  EXPECT_GE(by_guardians, std::size_t{kRounds});
  clean_up_with_another(stage);
  const Tally tally = traffic.stop();
  expect_exact(witness.stop(), tally);
  fmt::print(
      "{} killed with guardian beside another, {} of them removed by its guardian, {} frames, {} wrong\n",
      kills, by_guardians, tally.sent(), tally.wrong);
}

// A capture without its guardian could not leave the hook, so it ends, with a whole file.  What is left goes with a neighbour.
TEST_F(Killed, GuardiansTakeTheirCapturesWithThem) {
  const Stage stage;
  SharedCapture witness(stage, "");
  ASSERT_TRUE(witness.enters());
  Traffic traffic(stage.rig(), {.pause = microseconds(0)});
  for (int i = 0; i < 10; ++i) {
    SCOPED_TRACE(i);
    const std::string file = stage.rig().file("out.pcapng");
    SharedCapture capture(stage, file);
    ASSERT_TRUE(capture.enters());
    const std::uint64_t entered = traffic.tally().sent();
    traffic.await_more(1'000);
    const std::uint64_t killed = traffic.tally().sent();
    signal_process(capture.guardian().value(), SIGKILL);
    EXPECT_EQ(capture.process().wait(Millis(2'000)).exit_code, 1);
    EXPECT_TRUE(capture.says("the guardian process has been killed", Millis(0)));
    const Totals totals = capture.totals();
    EXPECT_GE(totals.received, killed - entered);
    EXPECT_EQ(count_with_tcpdump(file), totals.written);
    EXPECT_TRUE(stage.are_members({witness.pid()}, Millis(3'000)));
  }
  const Tally tally = traffic.stop();
  expect_exact(witness.stop(), tally);
}

TEST_F(Killed, GuardiansAloneAreReplacedByTheNextCapture) {
  const Stage stage;
  Traffic traffic(stage.rig());
  for (int i = 0; i < 10; ++i) {
    SCOPED_TRACE(i);
    SharedCapture capture(stage, "");
    ASSERT_TRUE(capture.enters());
    signal_process(capture.guardian().value(), SIGKILL);
    EXPECT_EQ(capture.process().wait(Millis(2'000)).exit_code, 1);
    EXPECT_EQ(filled_slots(stage.hook_fd()), kTrafficActions);
    if (i % 2 == 0) {
      clean_up_with_another(stage);
    } else {
      EXPECT_THAT(detach({stage.rig().hook()}), testing::HasSubstr("removed what killed ones"));
    }
    EXPECT_EQ(filled_slots(stage.hook_fd()), 0U);
  }
  EXPECT_EQ(traffic.stop().wrong, 0U);
}

}  // namespace
}  // namespace xdpcap::test

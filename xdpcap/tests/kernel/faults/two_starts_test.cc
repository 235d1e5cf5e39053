// SPDX-License-Identifier: BSD-3-Clause
//
// Two captures that start at the same moment on a hook where nobody is: both enter, one behind the other, and both see every packet.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xdpcap/tests/kernel/faults/rounds.h"
#include "xdpcap/tests/kernel/faults/stage.h"

namespace xdpcap::test {
namespace {

class TwoStarts : public FaultTest {};

TEST_F(TwoStarts, AtOnceMakeOneChain) {
  const int rounds = rounds_of(30);
  const Stage stage;
  Traffic traffic(stage.rig());
  for (int i = 0; i < rounds; ++i) {
    SCOPED_TRACE(i);
    SharedCapture first(stage, "");
    SharedCapture second(stage, "");
    EXPECT_TRUE(first.enters()) << first.process().errors();
    EXPECT_TRUE(second.enters()) << second.process().errors();
    EXPECT_TRUE(stage.are_members({first.pid(), second.pid()}, Millis(1'000)));
    const Tally before = traffic.tally();
    traffic.await_more(500);
    const std::uint64_t sent = traffic.tally().sent() - before.sent();
    // One after the other, now in the one order, now in the other.
    SharedCapture& leaver = i % 2 == 0 ? first : second;
    SharedCapture& stayer = i % 2 == 0 ? second : first;
    EXPECT_GE(leaver.stop().received, sent);
    EXPECT_GE(stayer.stop().received, sent);
    EXPECT_EQ(filled_slots(stage.hook_fd()), 0U);
  }
  const Tally tally = traffic.stop();
  EXPECT_EQ(tally.wrong, 0U);
  fmt::print("{} times two starts at once, {} frames, {} wrong\n", rounds, tally.sent(),
             tally.wrong);
}

}  // namespace
}  // namespace xdpcap::test

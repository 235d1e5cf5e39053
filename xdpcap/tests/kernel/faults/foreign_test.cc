// SPDX-License-Identifier: BSD-3-Clause
//
// Beside tools that know nothing of chains.  What was in a slot before captures is called after them, and is in the slot again when they
// have left.  What overwrites or empties a slot under them stays: they say so, go on with the slots that they have, and end with exit code 1.

#include "xdpcap/tests/kernel/faults/foreign.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xdpcap/tests/kernel/faults/stage.h"

namespace xdpcap::test {
namespace {

class ForeignTest : public FaultTest {
 protected:
  // Sends so many frames more; how many of `action` they were.
  static std::uint64_t send_more(const Traffic& traffic, std::uint32_t action) {
    const std::uint64_t before = traffic.tally().by_action.at(action);
    traffic.await_more(2'000);
    return traffic.tally().by_action.at(action) - before;
  }
};

TEST_F(ForeignTest, AToolThatTakesASlotKeepsItAndTheCapturesSayIt) {
  const Stage stage;
  Traffic traffic(stage.rig());
  const ForeignTool tool(stage.hook_fd());
  SharedCapture first(stage, "");
  ASSERT_TRUE(first.enters());
  SharedCapture second(stage, "/dev/null");
  ASSERT_TRUE(second.enters());
  tool.put(kPass);
  for (const SharedCapture* const capture : {&first, &second}) {
    EXPECT_TRUE(capture->says("slot XDPPass was taken by program ", Millis(1'000)));
    EXPECT_TRUE(capture->says("(somebody); packets with this action are not seen from here on"));
  }
  const std::uint64_t received = tool.received();
  const std::uint64_t passed = send_more(traffic, kPass);
  EXPECT_GE(tool.received() - received + 128, passed);
  EXPECT_TRUE(tool.is_in(kPass));
  EXPECT_TRUE(first.process().is_running() && second.process().is_running());
  const std::uint64_t least = send_more(traffic, kDrop);
  for (SharedCapture* const capture : {&first, &second}) {
    capture->process().signal(SIGINT);
    EXPECT_EQ(capture->process().wait().exit_code, 1) << capture->process().errors();
    EXPECT_GE(capture->totals().received, least);
    EXPECT_TRUE(tool.is_in(kPass));
  }
  EXPECT_EQ(filled_slots(stage.hook_fd()), 1U);
  tool.remove(kPass);
  EXPECT_EQ(traffic.stop().wrong, 0U);
}

TEST_F(ForeignTest, AToolThatTakesOrEmptiesEverySlotEndsTheCaptures) {
  const Stage stage;
  Traffic traffic(stage.rig());
  for (const bool empties : {false, true}) {
    SCOPED_TRACE(empties);
    const ForeignTool tool(stage.hook_fd());
    const std::string file = stage.rig().file("out.pcapng");
    SharedCapture first(stage, "");
    SharedCapture second(stage, file);
    ASSERT_TRUE(first.enters() && second.enters());
    tool.put_everywhere();
    if (empties) {
      tool.remove_everywhere();
    }
    for (SharedCapture* const capture : {&first, &second}) {
      EXPECT_EQ(capture->process().wait(Millis(2'000)).exit_code, 1);
      EXPECT_TRUE(capture->says("no slot leads to this capture any more", Millis(0)));
    }
    const Totals totals = second.totals();
    expect_balance(totals);
    EXPECT_EQ(count_with_tcpdump(file), totals.written);
    EXPECT_EQ(filled_slots(stage.hook_fd()), empties ? 0U : kTrafficActions);
    tool.remove_everywhere();
  }
  EXPECT_EQ(traffic.stop().wrong, 0U);
}

TEST_F(ForeignTest, ToolsAreInTheSlotsAgainWhenCapturesLeave) {
  const Stage stage;
  Traffic traffic(stage.rig());
  const ForeignTool tool(stage.hook_fd());
  tool.put_everywhere();
  for (int round = 0; round < 3; ++round) {
    SharedCapture first(stage, "");
    SharedCapture second(stage, "/dev/null");
    ASSERT_TRUE(first.enters() && second.enters());
    EXPECT_FALSE(tool.is_anywhere());
    const std::uint64_t sent = traffic.tally().sent();
    const std::uint64_t received = tool.received();
    traffic.await_more(5'000);
    EXPECT_GE(tool.received() - received + 1'000, traffic.tally().sent() - sent);
    first.stop();
    if (round == 1) {
      second.process().signal(SIGKILL);
      second.process().wait();
    } else {
      second.stop();
    }
    for (std::uint32_t slot = 0; slot < kTrafficActions; ++slot) {
      EXPECT_TRUE(becomes_true([&] { return tool.is_in(slot); }, Millis(1'000))) << slot;
    }
  }
  const Tally tally = traffic.stop();
  EXPECT_EQ(tally.wrong, 0U);
  tool.remove_everywhere();
}

// A tool that has left is not put back by those who come before its leaving is noticed.
TEST_F(ForeignTest, WhoComesRightAfterAToolHasLeftDoesNotCallIt) {
  const Stage stage;
  Traffic traffic(stage.rig());
  const ForeignTool tool(stage.hook_fd());
  tool.put_everywhere();
  SharedCapture first(stage, "");
  ASSERT_TRUE(first.enters());
  signal_process(first.guardian().value(), SIGSTOP);  // it does not notice
  tool.remove_everywhere();
  SharedCapture second(stage, "");
  ASSERT_TRUE(second.enters());
  signal_process(first.guardian().value(), SIGCONT);
  const std::uint64_t received = tool.received();
  traffic.await_more(2'000);
  EXPECT_EQ(tool.received(), received);
  first.stop();
  second.stop();
  EXPECT_EQ(filled_slots(stage.hook_fd()), 0U);
  EXPECT_EQ(traffic.stop().wrong, 0U);
}

}  // namespace
}  // namespace xdpcap::test

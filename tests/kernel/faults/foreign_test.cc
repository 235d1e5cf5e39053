// SPDX-License-Identifier: BSD-3-Clause
//
// Beside tools that know nothing of chains.  They overwrite slots and empty them under the feet of captures, which miss packets for
// a quarter of a second, say so, and then see everything again; the tools' programs see everything as if they were alone.
//
// Frames of 60 bytes are sent only while the captures must see everything, frames of 100 bytes at any time; a filter tells them apart.

#include "foreign.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stage.h"

namespace xdpcap::test {
namespace {

constexpr std::uint32_t kSeen = 60;
constexpr std::uint32_t kPerhapsSeen = 100;
constexpr const char* kSeenFilter = "len = 60";

class ForeignTest : public FaultTest {
 protected:
  // Whether all slots hold something that is not the tool's.
  static bool is_repaired(const Stage& stage, const ForeignTool& tool) {
    return becomes_true(
        [&] { return filled_slots(stage.hook_fd()) == kTrafficActions && !tool.is_anywhere(); },
        Millis(1'000));
  }
  // Sends frames that the captures must see; how many.
  static std::uint64_t send_seen(Traffic& traffic) {
    const std::uint64_t before = traffic.tally().sent();
    traffic.use_size(kSeen);
    traffic.await_more(2'000);
    traffic.use_size(kPerhapsSeen);
    return traffic.tally().sent() - before;
  }
};

TEST_F(ForeignTest, ToolsComeAndGoAgainAndAgain) {
  constexpr int kRounds = 9;
  const Stage stage;
  Traffic traffic(stage.rig());
  traffic.use_size(kPerhapsSeen);
  const ForeignTool tool(stage.hook_fd());
  SharedCapture first(stage, "", {}, kSeenFilter);
  ASSERT_TRUE(first.enters());
  SharedCapture second(stage, "/dev/null", {}, kSeenFilter);
  ASSERT_TRUE(second.enters());
  std::uint64_t least_seen = 0;
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    tool.put_everywhere();
    ASSERT_TRUE(is_repaired(stage, tool));
    const std::uint64_t of_tool = tool.received();
    const std::uint64_t sent = send_seen(traffic);
    least_seen += sent - 1'000;  // a batch may be on either side
    EXPECT_GE(tool.received() - of_tool + 1'000, sent);
    tool.remove_everywhere();
    ASSERT_TRUE(is_repaired(stage, tool));
    const std::uint64_t gone = tool.received();
    least_seen += send_seen(traffic) - 1'000;
    EXPECT_EQ(tool.received(), gone);
  }
  const Tally tally = traffic.stop();
  EXPECT_EQ(tally.wrong, 0U);
  std::string said = first.process().errors() + second.process().errors();
  EXPECT_NE(said.find("(somebody), which is now called after the captures"), std::string::npos)
      << said;
  EXPECT_NE(said.find("was emptied by somebody else, and is ours again"), std::string::npos);
  const std::uint64_t seen = first.stop().matched;
  EXPECT_EQ(second.stop().matched, seen);
  EXPECT_GE(seen, least_seen);
  fmt::print(
      "{} takings and {} emptyings of {} slots; {} frames, {} wrong; {} of them sent while all was right, all seen\n",
      kRounds, kRounds, kTrafficActions, tally.sent(), tally.wrong, seen);
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

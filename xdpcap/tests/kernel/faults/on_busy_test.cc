// SPDX-License-Identifier: BSD-3-Clause
//
// -on-busy: who comes second refuses to capture, or ends those who were there.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "xdpcap/tests/kernel/faults/foreign.h"
#include "xdpcap/tests/kernel/faults/stage.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;

class Busy : public FaultTest {};

TEST_F(Busy, FailLeavesTheFirstAlone) {
  const Stage stage;
  SharedCapture first(stage, "");
  ASSERT_TRUE(first.enters());
  Traffic traffic(stage.rig());
  for (int i = 0; i < 5; ++i) {
    SharedCapture second(stage, stage.rig().file("second.pcapng"), {"-on-busy", "fail"});
    EXPECT_EQ(second.process().wait().exit_code, 1);
    EXPECT_THAT(second.process().errors(), HasSubstr(fmt::format("pid {} (", first.pid())));
    EXPECT_FALSE(std::filesystem::exists(stage.rig().file("second.pcapng")));
    EXPECT_TRUE(stage.are_members({first.pid()}, Millis(1'000)));
  }
  const Tally tally = traffic.stop();
  expect_exact(first.stop(), tally);
  SharedCapture alone(stage, "", {"-on-busy", "fail"});
  EXPECT_TRUE(alone.enters());
  alone.stop();
}

TEST_F(Busy, FailRefusesAForeignProgram) {
  const Stage stage;
  const ForeignTool foreign(stage.hook_fd());
  foreign.put(2);
  SharedCapture capture(stage, "", {"-on-busy", "fail"});
  EXPECT_EQ(capture.process().wait().exit_code, 1);
  EXPECT_THAT(capture.process().errors(), HasSubstr("(somebody)"));
  EXPECT_TRUE(foreign.is_in(2));
  EXPECT_EQ(filled_slots(stage.hook_fd()), 1U);
  note_bpf_objects(capture.pid());
  foreign.remove(2);
}

TEST_F(Busy, ReplaceEndsTheOthersWithWholeFiles) {
  const Stage stage;
  Traffic traffic(stage.rig());
  const std::string file = stage.rig().file("first.pcapng");
  SharedCapture first(stage, file);
  SharedCapture second(stage, "");
  ASSERT_TRUE(first.enters() && second.enters());
  SharedCapture last(stage, "", {"-on-busy", "replace"});
  EXPECT_TRUE(last.enters());
  for (SharedCapture* const capture : {&first, &second}) {
    EXPECT_EQ(capture->process().wait().exit_code, 1);
    EXPECT_TRUE(
        capture->says(fmt::format("this capture is replaced, as -on-busy replace was asked "
                                  "for, by pid {}",
                                  last.pid())));
  }
  const Totals totals = first.totals();
  expect_balance(totals);
  EXPECT_EQ(totals.matched, totals.received);
  EXPECT_GT(totals.received, 0U);
  EXPECT_EQ(count_with_tcpdump(file), totals.written);
  const std::string errors = first.process().errors();
  // Why it ended, and the totals; numbers by action also while it runs.
  EXPECT_EQ(std::ranges::count_if(split(errors, '\n'),
                                  [](const std::string& line) {
                                    return !line.empty() && !line.starts_with("XDPAborted: ");
                                  }),
            2)
      << errors;
  EXPECT_TRUE(stage.are_members({last.pid()}, Millis(0)));
  const std::uint64_t before = traffic.tally().sent();
  traffic.await_more(5'000);
  const std::uint64_t after = traffic.tally().sent();
  EXPECT_GE(last.stop().received, after - before);
  EXPECT_EQ(traffic.stop().wrong, 0U);
}

TEST_F(Busy, ReplacePutsForeignProgramsOut) {
  const Stage stage;
  Traffic traffic(stage.rig());
  const ForeignTool foreign(stage.hook_fd());
  foreign.put(2);
  SharedCapture capture(stage, "", {"-on-busy", "replace"});
  EXPECT_TRUE(capture.enters());
  const std::uint64_t seen = foreign.received();
  traffic.await_more(2'000);
  EXPECT_EQ(foreign.received(), seen);
  capture.stop();
  EXPECT_EQ(filled_slots(stage.hook_fd()), 0U);
  EXPECT_EQ(traffic.stop().wrong, 0U);
}

TEST_F(Busy, ReplaceDoesNotWaitForTheStopped) {
  const Stage stage;
  Traffic traffic(stage.rig());
  const std::string file = stage.rig().file("first.pcapng");
  SharedCapture first(stage, file);
  ASSERT_TRUE(first.enters());
  first.process().signal(SIGSTOP);
  SharedCapture last(stage, "", {"-on-busy", "replace"});
  EXPECT_TRUE(last.enters(Millis(3'500)));
  EXPECT_TRUE(stage.are_members({last.pid()}, Millis(0)));
  first.process().signal(SIGCONT);
  EXPECT_EQ(first.process().wait().exit_code, 1);
  const Totals totals = first.totals();
  expect_balance(totals);
  EXPECT_EQ(count_with_tcpdump(file), totals.written);
  last.stop();
  EXPECT_EQ(traffic.stop().wrong, 0U);
}

}  // namespace
}  // namespace xdpcap::test

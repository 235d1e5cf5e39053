// SPDX-License-Identifier: BSD-3-Clause
//
// Why nothing was captured: what the guardian counts for it, and that nothing of it stays.

#include "xdpcap/tests/kernel/sharing/guarded_rig.h"

namespace xdpcap {
namespace {

using std::chrono::milliseconds;
using test::becomes_true;
using test::ForeignProgram;
using test::Guarded;
using test::kAllActions;
using ::testing::HasSubstr;
using Rig = test::ChainRig;

class ExplanationTest : public test::GuardTest {};

/// A capture of XDPDrop that can be asked for one.
struct Explaining : Guarded {
  explicit Explaining(const Rig& rig)
      : Guarded(rig, {.actions = {Action::Drop}, .explains = true}) {
    enter();
    EXPECT_EQ(rig.hook.holder(Action::Drop).value().has_value(), true);
  }
  void ask(const Rig& rig) const {
    EXPECT_TRUE(guardian.tell(MessageKind::Explain));
    EXPECT_TRUE(guardian.tell(MessageKind::Explain));  // once is enough
    EXPECT_TRUE(becomes_true([&] { return rig.filled() == kAllActions; }));
  }
};

struct Asked : Explaining {
  explicit Asked(const Rig& rig) : Explaining(rig) { ask(rig); }
};

TEST_F(ExplanationTest, CountsOtherActionsForASecond) {
  const Rig rig;
  Asked capture(rig);
  for (const Action action : {Action::Pass, Action::Pass, Action::Tx}) {
    rig.send(action);
  }
  EXPECT_EQ(
      capture.hear(MessageKind::Notice),
      fmt::format(
          "hook {}: nothing captured yet: packets reached the hook, but none with action XDPDrop, only 2 "
          "XDPPass and 1 XDPTx; packets that the program returns without xdpcap_exit() do not reach the hook",
          rig.hook.path()));
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Drop});
  rig.send(Action::Pass);
  EXPECT_EQ(capture.received(), 2U) << "they are out";
  ASSERT_TRUE(capture.leave());
  rig.expect_untouched();
}

TEST_F(ExplanationTest, SaysNothingWhenPacketsCameMeanwhile) {
  const Rig rig;
  Asked capture(rig);
  rig.send(Action::Drop);
  EXPECT_TRUE(capture.is_silent(milliseconds(1'500)));
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Drop});
}

TEST_F(ExplanationTest, NamesAFilterThatMatchesNothing) {
  const Rig rig;
  Guarded capture(rig, {.filter = 0, .explains = true});
  capture.enter();
  rig.send(Action::Drop);
  ASSERT_TRUE(capture.guardian.tell(MessageKind::Explain));
  EXPECT_THAT(
      capture.hear(MessageKind::Notice),
      HasSubstr("filter \"the filter\" matched none of 1 packet that reached the hook: 1 XDPDrop"));
  EXPECT_EQ(rig.filled(), kAllActions);
}

TEST_F(ExplanationTest, OtherCapturesSeeEachPacketMeanwhile) {
  const Rig rig;
  Guarded behind(rig, {.actions = {Action::Pass}});
  behind.enter();
  Explaining capture(rig);
  // Slow machines take longer to make one ready than the second in which the other counts.
  Guarded before(rig, {.actions = {Action::Pass}});
  ASSERT_TRUE(before.guardian.ask(std::nullopt));
  capture.ask(rig);
  ASSERT_TRUE(before.guardian.ask(MessageKind::Enter));
  rig.send();
  EXPECT_THAT(capture.hear(MessageKind::Notice), HasSubstr("only 1 XDPPass;"));
  rig.send();
  EXPECT_EQ(before.received(), 2U);
  EXPECT_EQ(behind.received(), 2U);
}

TEST_F(ExplanationTest, TheCountingProgramsGoWhenTheCaptureLeavesMeanwhile) {
  const Rig rig;
  Asked capture(rig);
  ASSERT_TRUE(capture.leave());
  rig.expect_untouched();
}

TEST_F(ExplanationTest, TheCountingProgramsGoWithTheNextCaptureWhenTheGuardianIsKilledMeanwhile) {
  const Rig rig;
  Asked capture(rig);
  ::kill(capture.guardian.pid(), SIGKILL);
  static_cast<void>(capture.hear_error(MessageKind::End));
  EXPECT_EQ(rig.filled(), kAllActions);
  {
    const HookCapture next = rig.capture({Action::Tx}).value();
  }
  rig.expect_untouched();
}

TEST_F(ExplanationTest, AForeignProgramIsBackAfterTheCounting) {
  const Rig rig;
  const ForeignProgram foreign(rig);
  foreign.put();
  Guarded capture(rig, {.actions = {Action::Drop}, .explains = true});
  capture.enter();
  for (const bool leaves : {false, true}) {
    ASSERT_TRUE(capture.guardian.tell(MessageKind::Explain));
    ASSERT_TRUE(becomes_true([&] { return rig.hook.holder(Action::Pass).value() != foreign.id; }));
    rig.send();
    if (leaves) {
      ASSERT_TRUE(capture.leave());
    } else {
      EXPECT_THAT(capture.hear(MessageKind::Notice), HasSubstr("only 1 XDPPass;"));
    }
    EXPECT_EQ(rig.hook.holder(Action::Pass).value(), foreign.id);
  }
  EXPECT_EQ(foreign.received(), 2U);
}

TEST_F(ExplanationTest, OfACaptureThatAsksForNoneThereIsNone) {
  const Rig rig;
  Guarded capture(rig, {.actions = {Action::Drop}});
  ASSERT_TRUE(capture.guardian.tell(MessageKind::Explain));
  capture.enter();
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Drop});
}

}  // namespace
}  // namespace xdpcap

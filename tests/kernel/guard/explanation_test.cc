// SPDX-License-Identifier: BSD-3-Clause
//
// Why nothing was captured: what the guardian counts for it, and that nothing of it stays.

#include "guard/explanation.h"

#include <map>

#include "guarded_rig.h"
#include "kernel/map.h"

namespace xdpcap {
namespace {

using std::chrono::milliseconds;
using test::becomes_true;
using test::GuardianProcess;
using test::kAllActions;
using test::kPlain;
using ::testing::HasSubstr;
using Rig = test::GuardedRig;

void give_probes(const GuardianProcess& guardian, const HookCapture& capture) {
  const std::map<Action, UniqueFd> probes = capture.load_probes().value();
  std::vector<std::string> actions;
  std::vector<int> descriptors = {capture.counters_fd()};
  for (const auto& [action, program] : probes) {
    actions.push_back(fmt::format("{}", index(action)));
    descriptors.push_back(program.get());
  }
  guardian.say(MessageKind::Programs, actions, descriptors);
}

class ExplanationTest : public test::GuardTest {};

TEST_F(ExplanationTest, CountsOtherActionsForASecond) {
  const Rig rig;
  const HookCapture capture = rig.capture({Action::Drop});
  const GuardianProcess guardian(rig, capture.place());
  give_probes(guardian, capture);
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Drop});
  guardian.say(MessageKind::Explain);
  guardian.say(MessageKind::Explain);  // once is enough
  ASSERT_TRUE(becomes_true([&] { return rig.filled() == kAllActions; }));
  for (const Action action : {Action::Pass, Action::Pass, Action::Tx}) {
    rig.send(action);
  }
  EXPECT_EQ(
      guardian.hear_notice(),
      fmt::format(
          "hook {}: nothing captured yet: packets reached the hook, but none with action XDPDrop, only 2 "
          "XDPPass and 1 XDPTx; packets that the program returns without xdpcap_exit() do not reach the hook",
          rig.hook.path()));
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Drop});
  rig.send(Action::Pass);
  EXPECT_EQ(capture.counters().value()[2].received, 2U) << "they are out";
}

TEST_F(ExplanationTest, SaysNothingWhenPacketsCameMeanwhile) {
  const Rig rig;
  const HookCapture capture = rig.capture({Action::Drop});
  const GuardianProcess guardian(rig, capture.place());
  give_probes(guardian, capture);
  guardian.say(MessageKind::Explain);
  ASSERT_TRUE(becomes_true([&] { return rig.filled() == kAllActions; }));
  rig.send(Action::Drop);
  EXPECT_TRUE(guardian.is_silent(milliseconds(1'500)));
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Drop});
}

TEST_F(ExplanationTest, NamesAFilterThatMatchesNothing) {
  const Rig rig;
  const HookCapture capture = rig.capture(kAllActions, 0);
  const GuardianProcess guardian(rig, capture.place());
  give_probes(guardian, capture);
  rig.send(Action::Drop);
  guardian.say(MessageKind::Explain);
  EXPECT_THAT(guardian.hear_notice(),
              HasSubstr("the filter matched none of 1 packet that reached the hook: 1 XDPDrop"));
  EXPECT_EQ(rig.filled(), kAllActions);
}

TEST_F(ExplanationTest, TheCountingProgramsGoWhenTheCaptureDiesMeanwhile) {
  const Rig rig;
  const HookCapture capture = rig.capture({Action::Drop});
  GuardianProcess guardian(rig, capture.place());
  give_probes(guardian, capture);
  guardian.say(MessageKind::Explain);
  ASSERT_TRUE(becomes_true([&] { return rig.filled() == kAllActions; }));
  guardian.close();
  EXPECT_EQ(guardian.exit_code(), 0);
  EXPECT_TRUE(rig.filled().empty());
}

TEST_F(ExplanationTest, TheyGoWithTheCaptureWhenTheGuardianDiesMeanwhile) {
  const Rig rig;
  HookCapture capture = rig.capture({Action::Drop});
  GuardianProcess guardian(rig, capture.place());
  give_probes(guardian, capture);
  guardian.say(MessageKind::Explain);
  ASSERT_TRUE(becomes_true([&] { return rig.filled() == kAllActions; }));
  ::kill(guardian.pid(), SIGKILL);
  guardian.exit_code();
  EXPECT_TRUE(capture.detach());
  EXPECT_TRUE(rig.filled().empty());
}

TEST_F(ExplanationTest, AForeignProgramIsBackAfterTheCounting) {
  const Rig rig;
  const UniqueFd foreign = test::load_returning(2, kPlain, "somebody");
  const std::uint32_t id = program_id(foreign.get()).value();
  ASSERT_TRUE(put_program(rig.map.get(), 2, foreign.get()));
  const HookCapture capture = rig.capture({Action::Drop});
  GuardianProcess guardian(rig, capture.place());
  give_probes(guardian, capture);
  for (const bool dies : {false, true}) {
    guardian.say(MessageKind::Explain);
    ASSERT_TRUE(becomes_true([&] { return rig.hook.holder(Action::Pass).value() != id; }));
    rig.send(Action::Pass);
    if (dies) {
      guardian.close();
      guardian.exit_code();
    } else {
      EXPECT_THAT(guardian.hear_notice(), HasSubstr("only 1 XDPPass;"));
    }
    EXPECT_EQ(rig.hook.holder(Action::Pass).value(), id);
  }
}

}  // namespace
}  // namespace xdpcap

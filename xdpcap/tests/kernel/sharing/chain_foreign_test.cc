// SPDX-License-Identifier: BSD-3-Clause
//
// Captures, and programs of others in the slots: other tools', other users'.

#include <chrono>
#include <csignal>

#include "xdpcap/sharing/chain.h"
#include "xdpcap/tests/kernel/sharing/chain_rig.h"

namespace xdpcap {
namespace {

using test::ForeignProgram;
using test::kAllActions;
using test::received;
using testing::AllOf;
using testing::HasSubstr;
using Rig = test::ChainRig;

constexpr std::uint64_t kBpfNetAdminPerfmon =
    std::uint64_t{1} << 39 | std::uint64_t{1} << 12 | std::uint64_t{1} << 38;

class ChainForeignTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

TEST_F(ChainForeignTest, IsCalledAfterwardsAndPutBack) {
  const Rig rig;
  const ForeignProgram foreign(rig);
  foreign.put();
  {
    std::vector<std::string> notes;
    {
      const Chain first = Chain::join(rig.hook, {.actions = kAllActions}, notes).value();
      ASSERT_EQ(notes.size(), 1U);
      EXPECT_THAT(notes[0],
                  AllOf(HasSubstr("slot XDPPass holds"), HasSubstr(std::to_string(foreign.id)),
                        HasSubstr("called after the captures")));
    }
    const HookCapture first = rig.capture().value();
    const HookCapture second = rig.capture().value();
    rig.send();
    EXPECT_EQ(foreign.received(), 1U);
    EXPECT_EQ(received(first), 1U);
    EXPECT_EQ(received(second), 1U);
  }
  EXPECT_EQ(rig.hook.holder(Action::Pass).value(), foreign.id);
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Pass});
  rig.send();
  EXPECT_EQ(foreign.received(), 2U);
  foreign.remove();
  rig.expect_untouched();
}

TEST_F(ChainForeignTest, NeedsTheRightToReachIt) {
  const Rig rig;
  const ForeignProgram foreign(rig);
  foreign.put();
  {
    const test::ReducedCapabilities few(kBpfNetAdminPerfmon);
    const Result<HookCapture> refused = rig.capture();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::Permission);
    EXPECT_THAT(refused.error().message, AllOf(HasSubstr("CAP_SYS_ADMIN"),
                                               HasSubstr(fmt::format("program {}", foreign.id))));
    EXPECT_EQ(rig.hook.holder(Action::Pass).value(), foreign.id);
    EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Pass});
    // Putting it out needs none.
    const HookCapture taking = rig.capture(kAllActions, OnBusy::Replace).value();
    rig.send();
    EXPECT_EQ(received(taking), 1U);
    EXPECT_EQ(foreign.received(), 0U);
  }
  rig.expect_untouched();
}

TEST_F(ChainForeignTest, IsPutOutForGoodOnRequest) {
  const Rig rig;
  const ForeignProgram foreign(rig);
  foreign.put();
  HookCapture gentle = rig.capture().value();
  rig.send();
  EXPECT_EQ(foreign.received(), 1U);
  foreign.put();  // in front of `gentle`
  {
    const HookCapture taking =
        HookCapture::attach(rig.hook, test::constant_filter(1),
                            {.actions = {Action::Pass}, .counts_only = true}, OnBusy::Replace)
            .value();
    rig.send();
    EXPECT_EQ(received(taking), 1U);
    EXPECT_EQ(foreign.received(), 1U);
    EXPECT_TRUE(gentle.chain()->is_taken_out()) << "the other capture was replaced, too";
  }
  EXPECT_TRUE(gentle.detach());
  rig.expect_untouched();
}

TEST_F(ChainForeignTest, ThatComesLaterIsNoticedAndCalledByTheNextCapture) {
  const Rig rig;
  const ForeignProgram foreign(rig);
  HookCapture capture = rig.capture().value();
  EXPECT_TRUE(capture.chain()->not_called().empty());
  foreign.put();
  rig.send();
  EXPECT_EQ(received(capture), 0U) << "slots are not fought for";
  Chain::NotCalled not_called = capture.chain()->not_called();
  ASSERT_EQ(not_called.size(), 1U);
  EXPECT_EQ(not_called[Action::Pass], foreign.id);
  {
    HookCapture next = rig.capture().value();
    rig.send();
    EXPECT_EQ(received(next), 1U);
    EXPECT_EQ(received(capture), 1U) << "it is called again";
    EXPECT_EQ(foreign.received(), 2U);
    EXPECT_TRUE(capture.chain()->not_called().empty());
    EXPECT_TRUE(next.chain()->not_called().empty());
  }
  rig.send();
  EXPECT_EQ(received(capture), 2U);
  EXPECT_EQ(foreign.received(), 3U);
  foreign.remove();  // as the other tool does when it ends: it empties the slot, whatever is in it
  not_called = capture.chain()->not_called();
  ASSERT_EQ(not_called.size(), 1U);
  EXPECT_FALSE(not_called.at(Action::Pass));
  {
    const HookCapture next = rig.capture().value();
    rig.send();
    EXPECT_EQ(received(next), 1U);
    EXPECT_EQ(received(capture), 3U);
    EXPECT_EQ(foreign.received(), 3U) << "it has left";
  }
  EXPECT_TRUE(capture.detach());
  rig.expect_untouched();
}

TEST_F(ChainForeignTest, ThatTookTheSlotKeepsItWhenTheCaptureLeaves) {
  const Rig rig;
  const ForeignProgram before(rig);
  const ForeignProgram later(rig);
  before.put();
  HookCapture capture = rig.capture().value();
  later.put();
  EXPECT_TRUE(capture.detach());
  EXPECT_EQ(rig.hook.holder(Action::Pass).value(), later.id);
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Pass});
}

TEST_F(ChainForeignTest, CapturesThatComeAndChangeAreNotTakenForOthers) {
  const Rig rig;
  HookCapture capture = rig.capture({Action::Pass}).value();
  const pid_t child = ::fork();
  if (child == 0) {
    for (std::uint32_t i = 0;; ++i) {
      HookCapture before = rig.capture({Action::Pass}).value();
      for (int changes = 0; changes < 20; ++changes) {
        static_cast<void>(before.replace_filter(test::constant_filter(i % 2)));
      }
    }
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1'500);
  while (std::chrono::steady_clock::now() < end) {
    if (!capture.chain()->not_called().empty()) {
      ADD_FAILURE() << "a capture in front was taken for another tool's program";
      break;
    }
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  static_cast<void>(capture.chain()->remove_dead());
  rig.send();
  EXPECT_EQ(received(capture), 1U);
}

// A capture of another user, through another pin, or of another version: not ours, and not to be called as a tool's.
TEST_F(ChainForeignTest, ACaptureOfAnotherIsNamedWithItsUser) {
  const Rig rig;
  const ForeignProgram foreign(rig, "xdpcap_pass");
  foreign.put();
  const Result<HookCapture> refused = rig.capture();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Busy);
  EXPECT_THAT(refused.error().message,
              AllOf(HasSubstr("a capture of user 0"), HasSubstr("xdpcap -detach")));
  EXPECT_EQ(rig.hook.holder(Action::Pass).value(), foreign.id);
  EXPECT_TRUE(rig.capture({Action::Drop})) << "other slots are free";
  {
    const HookCapture taking = rig.capture(kAllActions, OnBusy::Replace).value();
    rig.send();
    EXPECT_EQ(received(taking), 1U);
    EXPECT_EQ(foreign.received(), 0U);
  }
  rig.expect_untouched();
}

TEST_F(ChainForeignTest, ACaptureThroughAnotherPinOfTheHookIsRefused) {
  const Rig rig;
  const Hook other = Hook::open(rig.directory.pin(rig.map.get(), "other")).value();
  const HookCapture first = rig.capture({Action::Pass}).value();
  const Result<HookCapture> second = HookCapture::attach(
      other, test::constant_filter(1), {.actions = {Action::Pass}, .counts_only = true});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::Busy);
  EXPECT_THAT(second.error().message, HasSubstr("through another pin of the hook"));
  rig.send();
  EXPECT_EQ(received(first), 1U);
}

TEST_F(ChainForeignTest, WhoWantsTheSlotAloneIsRefused) {
  const Rig rig;
  const ForeignProgram foreign(rig);
  foreign.put();
  const auto error = [&] { return rig.capture({Action::Pass}, OnBusy::Fail).error(); };
  EXPECT_EQ(error().code, Errc::Busy);
  EXPECT_THAT(error().message, HasSubstr("slot XDPPass is taken by program"));
  foreign.remove();
  const HookCapture capture = rig.capture({Action::Pass}).value();
  EXPECT_THAT(error().message, HasSubstr("another capture is running: pid"));
  EXPECT_TRUE(rig.capture({Action::Drop}, OnBusy::Fail)) << "they share nothing";
}

}  // namespace
}  // namespace xdpcap

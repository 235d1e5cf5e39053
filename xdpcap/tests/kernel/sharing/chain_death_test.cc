// SPDX-License-Identifier: BSD-3-Clause
//
// What captures leave that die, and who takes it away; and captures that others end.

#include <sys/mman.h>

#include <array>
#include <csignal>
#include <thread>

#include "base/testing/becomes_true.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/sharing/chain.h"
#include "xdpcap/tests/kernel/sharing/chain_rig.h"

namespace xdpcap {
namespace {

using test::ForeignProgram;
using test::kAllActions;
using test::kPassSlot;
using test::received;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using Rig = test::ChainRig;

class ChainDeathTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

TEST_F(ChainDeathTest, TheNextCaptureTakesOutTheDead) {
  const Rig rig;
  rig.die_capturing();
  EXPECT_EQ(rig.filled(), kAllActions);
  rig.send();
  std::vector<ChainMember> members = rig.chain().members();
  ASSERT_EQ(members.size(), 1U);
  EXPECT_FALSE(members[0].is_alive);
  {
    std::vector<std::string> notes;
    const Chain chain = Chain::join(rig.hook, {.actions = {Action::Tx}}, notes).value();
    ASSERT_EQ(notes.size(), 1U);
    EXPECT_THAT(notes[0], HasSubstr(fmt::format("pid {}", members[0].pid)));
    EXPECT_THAT(rig.filled(), IsEmpty());
    EXPECT_EQ(rig.chain().members().size(), 1U);
  }
  rig.expect_untouched();
}

TEST_F(ChainDeathTest, TheLivingTakeOutTheDead) {
  const Rig rig;
  HookCapture living = rig.capture().value();
  rig.die_capturing();
  EXPECT_EQ(rig.chain().members().size(), 2U);
  rig.send();
  EXPECT_EQ(received(living), 1U);
  EXPECT_EQ(living.chain()->remove_dead().size(), 1U);
  EXPECT_THAT(living.chain()->remove_dead(), IsEmpty());
  EXPECT_EQ(rig.chain().members().size(), 1U);
  rig.send();
  EXPECT_EQ(received(living), 2U);
  EXPECT_TRUE(living.detach());
  rig.expect_untouched();
}

TEST_F(ChainDeathTest, ThoseThatLookTakeOutTheDeadAndTheDirectory) {
  const Rig rig;
  rig.die_capturing();
  EXPECT_EQ(rig.chain().remove_dead().size(), 1U);
  rig.expect_untouched();
  EXPECT_FALSE(Chain::find(rig.hook).value());
}

TEST_F(ChainDeathTest, EightDeadMakeRoom) {
  const Rig rig;
  const ForeignProgram foreign(rig);
  foreign.put();
  rig.die_capturing(kAllActions, [&](HookCapture&) {
    static std::vector<HookCapture> captures;
    for (std::uint32_t i = 1; i < chain::kMostCaptures; ++i) {
      captures.push_back(rig.capture().value());
    }
  });
  EXPECT_EQ(rig.chain().members().size(), chain::kMostCaptures);
  rig.send();
  EXPECT_EQ(foreign.received(), 1U);
  {
    const HookCapture capture = rig.capture().value();
    EXPECT_EQ(rig.chain().members().size(), 1U);
    rig.send();
    EXPECT_EQ(received(capture), 1U);
    EXPECT_EQ(foreign.received(), 2U);
  }
  EXPECT_EQ(rig.hook.holder(Action::Pass).value(), foreign.id);
}

// --- Captures that others end.

TEST_F(ChainDeathTest, CapturesThatLeaveWhenToldToAreWaitedFor) {
  const Rig rig;
  HookCapture leaving = rig.capture({Action::Drop}).value();
  HookCapture staying = rig.capture({Action::Pass}).value();
  const std::uint32_t which = leaving.chain()->position();
  EXPECT_FALSE(leaving.chain()->told_to_leave());
  std::thread thread([&] {
    ASSERT_TRUE(test::becomes_true([&] { return leaving.chain()->told_to_leave().has_value(); }));
    const ChainMember told = *leaving.chain()->told_to_leave();
    EXPECT_EQ(told.told_by_pid, 77U);
    EXPECT_EQ(told.told_why, chain::Reason::Replaced);
    EXPECT_TRUE(leaving.detach());
  });
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(rig.chain().end_captures(chain::Reason::Replaced, 77,
                                     [&](const ChainMember& one) { return one.position == which; }),
            1U);
  EXPECT_LT(std::chrono::steady_clock::now() - before,
            std::chrono::milliseconds(1'000) * test::patience());
  thread.join();
  EXPECT_FALSE(staying.chain()->told_to_leave());
  rig.send();
  EXPECT_EQ(received(staying), 1U);
}

// Otherwise a newcomer at the place of one that leaves meanwhile might be told.
TEST_F(ChainDeathTest, CapturesAreToldInATurn) {
  const Rig rig;
  HookCapture leaving = rig.capture().value();
  ChainDirectory::Lock locked = leaving.chain()->directory().lock();
  std::thread ending([&] {
    EXPECT_EQ(rig.chain().end_captures(chain::Reason::Detached, 77,
                                       [](const ChainMember&) { return true; }),
              1U);
  });
  const auto is_told = [&] { return leaving.chain()->told_to_leave().has_value(); };
  // The lock is waited for two seconds at most: slow machines wait no longer here.
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_FALSE(is_told());
  locked.reset();
  EXPECT_TRUE(test::becomes_true(is_told));
  EXPECT_TRUE(leaving.detach());
  ending.join();
}

TEST_F(ChainDeathTest, ThoseThatDoNotLeaveAreTakenOut) {
  const Rig rig;
  const ForeignProgram foreign(rig);
  foreign.put();
  HookCapture first = rig.capture().value();
  HookCapture second = rig.capture().value();
  EXPECT_EQ(rig.chain().end_captures(chain::Reason::Detached, 77,
                                     [](const ChainMember&) { return true; }),
            2U);
  EXPECT_EQ(rig.hook.holder(Action::Pass).value(), foreign.id);
  foreign.remove();
  rig.expect_untouched();
  EXPECT_TRUE(first.chain()->is_taken_out());
  rig.send();
  EXPECT_EQ(received(first), 0U);
  const Result<void> entered = first.enter();
  ASSERT_FALSE(entered);
  EXPECT_EQ(entered.error().code, Errc::Busy);
  // Its place may be another's meanwhile.
  const HookCapture next = rig.capture().value();
  const HookCapture after_next = rig.capture().value();
  EXPECT_EQ(first.replace_filter(test::constant_filter(0)).error().code, Errc::Busy);
  EXPECT_EQ(first.chain()->withdraw({Action::Pass}).error().code, Errc::Busy);
  EXPECT_TRUE(first.detach());
  EXPECT_TRUE(second.detach());
  rig.send();
  EXPECT_EQ(received(next), 1U);
  EXPECT_EQ(received(after_next), 1U);
}

TEST_F(ChainDeathTest, NothingStaysWhenTheDirectoryIsRemovedByHand) {
  const Rig rig;
  const ForeignProgram foreign(rig);
  foreign.put();
  HookCapture first = rig.capture().value();
  HookCapture second = rig.capture().value();
  std::filesystem::remove_all(ChainDirectory::path_for(rig.hook.path()));
  EXPECT_TRUE(first.chain()->is_taken_out());
  EXPECT_TRUE(second.chain()->is_taken_out());
  rig.send();
  EXPECT_EQ(foreign.received(), 1U);
  EXPECT_TRUE(first.detach());
  EXPECT_TRUE(second.detach());
  rig.send();
  rig.expect_untouched();
}

// --- Other hooks and other versions.

TEST_F(ChainDeathTest, AHookThatIsPinnedInThePlaceOfAnother) {
  const Rig rig;
  std::optional<HookCapture> living = rig.capture().value();
  std::filesystem::remove(rig.hook.path());
  const UniqueFd map = test::make_hook();
  const UniqueFd target = test::load_target(map.get(), {.action = kPassSlot}, test::kPlain);
  const Hook hook = Hook::open(rig.directory.pin(map.get(), "hook")).value();
  const auto attach = [&] {
    return HookCapture::attach(hook, test::constant_filter(1),
                               {.actions = {Action::Pass}, .counts_only = true});
  };
  const Result<HookCapture> refused = attach();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Busy);
  EXPECT_THAT(refused.error().message,
              HasSubstr("captures still run on the map that was pinned there before"));
  // Ending them touches the slots of neither wrongly.
  ASSERT_TRUE(put_program(map.get(), kPassSlot, target.get()));
  EXPECT_EQ(Chain::find(hook).value()->end_captures(chain::Reason::Detached, 77,
                                                    [](const ChainMember&) { return true; }),
            1U);
  EXPECT_EQ(hook.holder(Action::Pass).value(), program_id(target.get()).value());
  ASSERT_TRUE(remove_program(map.get(), kPassSlot));
  EXPECT_TRUE(living->detach());
  EXPECT_THAT(rig.filled(), IsEmpty()) << "it empties the slots of its own hook";
  // What a dead one has left is no obstacle.
  living.reset();
  std::filesystem::remove(rig.hook.path());
  const Hook old = Hook::open(rig.directory.pin(rig.map.get(), "hook")).value();
  rig.die_capturing();
  std::filesystem::remove(rig.hook.path());
  static_cast<void>(rig.directory.pin(map.get(), "hook"));
  const HookCapture capture = attach().value();
  test::test_run(target.get(), test::make_packet(60));
  EXPECT_EQ(received(capture), 1U);
}

TEST_F(ChainDeathTest, CapturesOfAnotherVersionAreNotTouched) {
  const Rig rig;
  HookCapture other = rig.capture({Action::Drop}).value();
  const Mapping memory =
      map_pages(other.chain()->state_fd(), chain::kStateBytes, PROT_READ | PROT_WRITE, 0).value();
  auto& state = *static_cast<chain::ChainState*>(memory.get());
  ++state.version;
  for (const Errc code :
       {rig.capture({Action::Pass}).error().code, Chain::find(rig.hook).error().code}) {
    EXPECT_EQ(code, Errc::Unsupported);
  }
  EXPECT_THAT(Chain::find(rig.hook).error().message, HasSubstr("an xdpcap of another version"));
  EXPECT_THAT(captures_on(rig.hook).error().message, HasSubstr("an xdpcap of another version"));
  rig.send(Action::Drop);
  EXPECT_EQ(received(other, Action::Drop), 1U);
  EXPECT_TRUE(other.detach());
}

TEST_F(ChainDeathTest, ALivingCaptureWhoseMapsAreNotThereIsNotTouched) {
  const Rig rig;
  HookCapture living = rig.capture({Action::Drop}).value();
  const ChainDirectory& directory = living.chain()->directory();
  directory.remove_pin("state");
  const Result<HookCapture> refused = rig.capture({Action::Pass});
  EXPECT_EQ(refused.error().code, Errc::Busy);
  EXPECT_THAT(refused.error().message, AllOf(HasSubstr("their pins in " + directory.path()),
                                             HasSubstr("xdpcap -detach " + rig.hook.path())));
  EXPECT_FALSE(Chain::find(rig.hook).value());
  const UniqueFd longer = create_mappable_array(chain::kStateMapName, 8192, 1).value();
  ASSERT_TRUE(directory.pin("state", longer.get()));
  EXPECT_EQ(rig.capture({Action::Pass}).error().code, Errc::Unsupported);
  EXPECT_EQ(Chain::find(rig.hook).error().code, Errc::Unsupported);
  rig.send(Action::Drop);
  EXPECT_EQ(received(living, Action::Drop), 1U);
  EXPECT_TRUE(living.detach());
  rig.expect_untouched();
}

TEST_F(ChainDeathTest, MapsThatAreNotThoseOfCapturesAreReplaced) {
  const Rig rig;
  for (const char* name : {"state", "programs"}) {
    std::vector<std::string> notes;
    const ChainDirectory directory = ChainDirectory::make(rig.hook.path(), notes).value();
    ASSERT_TRUE(directory.pin(name, rig.map.get()));
    const HookCapture capture = rig.capture().value();
    rig.send();
    EXPECT_EQ(received(capture), 1U);
  }
}

TEST_F(ChainDeathTest, HostileNumbersChangeNoVerdict) {
  const Rig rig;
  HookCapture first = rig.capture().value();
  HookCapture second = rig.capture().value();
  const Mapping memory =
      map_pages(first.chain()->state_fd(), chain::kStateBytes, PROT_READ | PROT_WRITE, 0).value();
  auto& state = *static_cast<chain::ChainState*>(memory.get());
  for (const std::uint32_t bits : {0U, 0xffffffffU, 1U, 0x100U, 0xfffffe00U}) {
    state.entered[kPassSlot] = bits;
    rig.send();
    static_cast<void>(first.chain()->not_called());
  }
  EXPECT_EQ(received(second), 5U);
  state.members[7].command_line.fill('x');
  state.members[7].filter.fill('y');
  state.members[7].actions = 0xffffffff;
  const std::vector<ChainMember> members = rig.chain().members();
  ASSERT_EQ(members.size(), 2U);
  EXPECT_EQ(members[1].command_line.size(), 256U);
  EXPECT_EQ(members[1].filter.size(), 200U);
  EXPECT_EQ(members[1].actions.size(), kMostActions);
  state.entered[kPassSlot] = 0xffffffff;
  EXPECT_TRUE(first.detach());
  EXPECT_TRUE(second.detach());
  EXPECT_THAT(rig.filled(), IsEmpty());
}

// --- What -status tells.

TEST_F(ChainDeathTest, StatusTellsOfTheLivingAndTheDead) {
  const Rig rig;
  EXPECT_THAT(captures_on(rig.hook).value(), IsEmpty());
  const HookCapture living = rig.capture({Action::Pass}).value();
  rig.die_capturing({Action::Pass});
  std::vector<std::string> notes;
  const Chain starting = Chain::join(rig.hook, {.actions = {Action::Tx}}, notes).value();
  rig.send();
  const std::vector<CaptureStatus> captures = captures_on(rig.hook).value();
  ASSERT_EQ(captures.size(), 2U) << "the third has taken out the dead one";
  for (const CaptureStatus& one : captures) {
    EXPECT_TRUE(one.member.is_alive);
    EXPECT_EQ(one.user_id, 0U);
    EXPECT_EQ(one.is_starting, one.member.actions == std::vector<Action>{Action::Tx});
    EXPECT_EQ(one.counters.has_value(), !one.is_starting);
    EXPECT_TRUE(!one.counters || (*one.counters)[kPassSlot].received == 1);
  }
}

}  // namespace
}  // namespace xdpcap

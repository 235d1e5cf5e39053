// SPDX-License-Identifier: BSD-3-Clause
//
// What captures leave that die, at any moment, and who takes it away; and captures that others end.

#include <sys/mman.h>

#include <array>
#include <csignal>
#include <thread>

#include "attach/capture_status.h"
#include "attach/chain.h"
#include "chain_rig.h"
#include "kernel/mapping.h"
#include "support/becomes_true.h"

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

// --- Each state between two steps, in which a process may have been killed.

/// The parts of a capture of XDPPass, changed one by one.
struct Parts {
  explicit Parts(const Rig& hook_rig, const Chain& one)
      : rig(hook_rig),
        chain(one),
        memory(map_pages(one.state_fd(), chain::kStateBytes, PROT_READ | PROT_WRITE, 0).value()) {}

  void bit(std::uint32_t position, bool is_set) const {
    std::uint32_t& bits = static_cast<chain::ChainState*>(memory.get())->entered[kPassSlot];
    bits = is_set ? bits | 1U << position : bits & ~(1U << position);
  }
  void bit(bool is_set) const { bit(chain.position(), is_set); }
  bool is_front() const {
    return program_in_slot(rig.map.get(), kPassSlot).value() ==
           program_in_slot(chain.programs_fd(), place(chain.position())).value();
  }
  // Filters by another program; the one before.
  UniqueFd replace(HookCapture& capture) const {
    UniqueFd old = chain.open_program_of(chain.position(), Action::Pass).value();
    EXPECT_TRUE(capture.replace_filter(test::constant_filter(0)));
    return old;
  }
  void no_array(std::uint32_t position) const {
    ASSERT_TRUE(remove_program(chain.programs_fd(), place(position)));
  }
  void no_array() const { no_array(chain.position()); }
  std::string pin_name() const { return fmt::format("{}/{}", chain.position(), kPassSlot); }
  void pin(int fd) const { ASSERT_TRUE(chain.directory().pin(pin_name(), fd)); }
  void no_pin() const { chain.directory().remove_pin(pin_name()); }
  void no_foreign_pin() const {
    chain.directory().remove_pin(fmt::format("foreign-{}", kPassSlot));
  }
  void slot(int fd) const { ASSERT_TRUE(put_program(rig.map.get(), kPassSlot, fd)); }
  // Holds the program that would be there without this capture, if any.
  void slot_without_this_one() const {
    for (std::uint32_t position = 0; position <= chain::kForeignPosition; ++position) {
      const Result<UniqueFd> program = chain.open_program_of(position, Action::Pass);
      if (position != chain.position() && program) {
        slot(program->get());
        return;
      }
    }
    ASSERT_TRUE(remove_program(rig.map.get(), kPassSlot));
  }
  static std::uint32_t place(std::uint32_t position) {
    return chain::place_of(Action::Pass, position);
  }

  const Rig& rig;
  const Chain& chain;
  Mapping memory;
};

struct Halfway {
  const char* what;
  void (*make)(const Parts& parts, HookCapture& capture);
};

void before_slot(const Parts& parts) {
  if (parts.is_front()) {
    parts.slot_without_this_one();
  }
}

const Halfway kHalfway[] = {
    {"in the slot", [](const Parts&, HookCapture&) {}},
    {"entering: in the chain, not in the slot",
     [](const Parts& parts, HookCapture&) { before_slot(parts); }},
    {"entering: in its place, and pinned; or leaving: out of the slot",
     [](const Parts& parts, HookCapture&) {
       before_slot(parts);
       parts.bit(false);
     }},
    {"entering: in its place, not pinned",
     [](const Parts& parts, HookCapture&) {
       before_slot(parts);
       parts.bit(false);
       parts.no_pin();
     }},
    {"entering: it has a place, no more; or leaving: only the place is left",
     [](const Parts& parts, HookCapture&) {
       before_slot(parts);
       parts.bit(false);
       parts.no_pin();
       parts.no_array();
     }},
    {"leaving: out of the chain, still in the slot",
     [](const Parts& parts, HookCapture&) { parts.bit(false); }},
    {"leaving: out of its place, still pinned",
     [](const Parts& parts, HookCapture&) {
       before_slot(parts);
       parts.bit(false);
       parts.no_array();
     }},
    {"replacing: the new one in its place, the old one in the slot and pinned",
     [](const Parts& parts, HookCapture& capture) {
       const UniqueFd old = parts.replace(capture);
       parts.pin(old.get());
       if (parts.is_front()) {
         parts.slot(old.get());
       }
     }},
    {"replacing: the new one in its place and the slot, the old one pinned",
     [](const Parts& parts, HookCapture& capture) { parts.pin(parts.replace(capture).get()); }},
    {"replacing: the new one in its place and the slot, none pinned",
     [](const Parts& parts, HookCapture& capture) {
       static_cast<void>(parts.replace(capture));
       parts.no_pin();
     }},
};

/// Who else is there.
struct Company {
  const char* what;
  bool has_front;    ///< a living capture that is called before the dead one
  bool has_behind;   ///< one that is called after it
  bool has_foreign;  ///< another tool's program
};
constexpr Company kCompany[] = {{"alone", false, false, false},
                                {"a foreign program", false, false, true},
                                {"one behind", false, true, false},
                                {"one in front", true, false, false},
                                {"all of them", true, true, true}};

/// One case: whoever lives sees each packet once before and after the dead one is taken out.
class HalfwayCase {
 public:
  HalfwayCase(const Company& company, const Halfway& halfway) : foreign_(rig_) {
    if (company.has_foreign) {
      foreign_.put();
    }
    has_foreign_ = company.has_foreign;
    if (company.has_behind) {
      living_.push_back(rig_.capture({Action::Pass}).value());
    }
    std::optional<HookCapture> keeps_place;  // behind the one in front
    if (company.has_front) {
      keeps_place.emplace(rig_.capture({Action::Pass}).value());
      living_.push_back(rig_.capture({Action::Pass}).value());
    }
    keeps_place.reset();
    rig_.die_capturing({Action::Pass}, [&](HookCapture& capture) {
      EXPECT_EQ(capture.chain()->position() + 1, company.has_behind ? 7U : 8U);
      halfway.make(Parts(rig_, *capture.chain()), capture);
    });
  }
  void check() {
    send("before");
    if (living_.empty()) {
      std::vector<std::string> notes;
      static_cast<void>(Chain::join(rig_.hook, {.actions = {Action::Drop}}, notes).value());
    } else {
      EXPECT_FALSE(living_.front().chain()->remove_dead().empty());
      EXPECT_EQ(rig_.chain().members().size(), living_.size());
    }
    send("after");
    living_.clear();
    const std::optional<std::uint32_t> holder = rig_.hook.holder(Action::Pass).value();
    EXPECT_EQ(holder, has_foreign_ ? std::optional(foreign_.id) : std::nullopt);
    EXPECT_FALSE(std::filesystem::exists(ChainDirectory::path_for(rig_.hook.path())));
  }

 private:
  void send(const char* when) {
    rig_.send();
    ++packets_;
    for (const HookCapture& one : living_) {
      EXPECT_EQ(received(one), packets_) << when;
    }
    if (has_foreign_) {
      EXPECT_EQ(foreign_.received(), packets_) << when;
    }
  }
  Rig rig_;
  ForeignProgram foreign_;
  bool has_foreign_ = false;
  std::vector<HookCapture> living_;
  std::uint64_t packets_ = 0;
};

TEST_F(ChainDeathTest, LeavesFromEveryHalfwayState) {
  for (const Company& company : kCompany) {
    for (const Halfway& halfway : kHalfway) {
      SCOPED_TRACE(fmt::format("{}; {}", company.what, halfway.what));
      HalfwayCase(company, halfway).check();
    }
  }
}

// The steps about the foreign program, of the first that enters and of the last that leaves.
TEST_F(ChainDeathTest, TheForeignProgramIsInItsSlotFromEveryHalfwayState) {
  const Halfway cases[] = {
      {"entering: it is called last, and still in the slot",
       [](const Parts& parts, HookCapture&) {
         parts.slot_without_this_one();
         parts.bit(false);
         parts.no_pin();
         parts.no_array();
       }},
      {"leaving: in the slot, not called last any more",
       [](const Parts& parts, HookCapture&) {
         parts.slot_without_this_one();
         parts.bit(false);
         parts.bit(chain::kForeignPosition, false);
       }},
      {"leaving: in the slot, not in its place",
       [](const Parts& parts, HookCapture&) {
         parts.slot_without_this_one();
         parts.bit(false);
         parts.bit(chain::kForeignPosition, false);
         parts.no_array(chain::kForeignPosition);
       }},
      {"leaving: in the slot, not pinned",
       [](const Parts& parts, HookCapture&) {
         parts.slot_without_this_one();
         parts.bit(false);
         parts.bit(chain::kForeignPosition, false);
         parts.no_array(chain::kForeignPosition);
         parts.no_foreign_pin();
       }},
  };
  for (const Halfway& halfway : cases) {
    SCOPED_TRACE(halfway.what);
    HalfwayCase({.what = "", .has_front = false, .has_behind = false, .has_foreign = true}, halfway)
        .check();
  }
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
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(1'000));
  thread.join();
  EXPECT_FALSE(staying.chain()->told_to_leave());
  rig.send();
  EXPECT_EQ(received(staying), 1U);
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
  EXPECT_EQ(rig.capture({Action::Pass}).error().code, Errc::NotFound);
  EXPECT_FALSE(Chain::find(rig.hook).value());
  const UniqueFd longer = create_mappable_array(chain::kStateMapName, 8192, 1).value();
  ASSERT_TRUE(directory.pin("state", longer.get()));
  EXPECT_EQ(rig.capture({Action::Pass}).error().code, Errc::InvalidArgument);
  EXPECT_EQ(Chain::find(rig.hook).error().code, Errc::InvalidArgument);
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

// SPDX-License-Identifier: BSD-3-Clause
//
// Captures that share a hook: each sees every packet whatever the others do, and the hook is afterwards as it was before.

#include "attach/chain.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <random>

#include "attach/capture_program.h"
#include "attach/capture_status.h"
#include "attach/chain_find.h"
#include "attach/hook_capture.h"
#include "attach/join_chain.h"
#include "kernel/map.h"
#include "kernel/object_ids.h"
#include "kernel/program.h"
#include "support/bpf_fixture.h"
#include "support/netns.h"

namespace xdpcap {
namespace {

using test::make_packet;
using testing::HasSubstr;

constexpr Variant kPlain{.expected_attach_type = kAttachTypeXdp, .multi_buffer = false};
const std::vector<Action> kAllActions(kActions.begin(), kActions.end());
constexpr std::uint64_t kBpfAndNetAdmin = std::uint64_t{1} << 39 | std::uint64_t{1} << 12;
constexpr std::uint64_t kPerfmon = std::uint64_t{1} << 38;

struct Rig {
  static constexpr std::uint32_t kVerdictOffset = 20;

  explicit Rig(const Variant& variant = kPlain)
      : map(test::make_hook()),
        target(test::load_target(map.get(), {.from_offset = kVerdictOffset}, variant)),
        hook(Hook::open(directory.pin(map.get(), "hook")).value()) {}

  // Sends a packet, whose verdict must be that of the target.
  void send(Action action) const {
    std::vector<std::uint8_t> packet = make_packet(60);
    packet[kVerdictOffset] = static_cast<std::uint8_t>(action);
    EXPECT_EQ(test::test_run(target.get(), packet).action, static_cast<std::uint32_t>(action));
  }
  Result<HookCapture> capture(std::vector<Action> actions = kAllActions,
                              OnBusy on_busy = OnBusy::Chain) const {
    return HookCapture::attach(hook, test::constant_filter(1),
                               {.actions = std::move(actions), .counts_only = true}, on_busy);
  }
  // A place for a capture that does not enter.
  JoinedChain join(std::vector<Action> actions) const {
    return join_chain(hook, kPlain, lock, {.actions = std::move(actions)}).value();
  }
  std::size_t filled() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        kActions, [this](Action action) { return hook.holder(action)->has_value(); }));
  }

  HookLock lock;  // none
  test::BpfDirectory directory;
  UniqueFd map;
  UniqueFd target;
  Hook hook;
};

std::uint64_t received(const HookCapture& capture, Action action) {
  return capture.counters().value()[index(action)].received;
}

/// A program of somebody else's that counts its packets.
struct Foreign {
  explicit Foreign(const Rig& rig)
      : counter(create_per_cpu_array("foreign", sizeof(abi::Counters), 5).value()),
        program(
            load_xdp_program({.name = "somebody", .insns = code(), .multi_buffer = false}).value()),
        id(program_id(program.get()).value()),
        hook_fd(rig.map.get()) {}
  std::vector<cbpfc::ebpf::Insn> code() const {
    return build_capture_program(
               test::constant_filter(1),
               {.action = Action::Pass, .counters_fd = counter.get(), .counts_only = true})
        .value();
  }
  void put() const { ASSERT_TRUE(put_program(hook_fd, 2, program.get())); }
  std::uint64_t received() const {
    std::uint64_t sum = 0;
    const std::vector<std::uint64_t> numbers = read_per_cpu_numbers(counter.get(), 2, 8).value();
    for (std::size_t i = 0; i < numbers.size(); i += 8) {
      sum += numbers[i];
    }
    return sum;
  }
  UniqueFd counter;
  UniqueFd program;
  std::uint32_t id;
  int hook_fd;
};

void bind_map(int program_fd, int map_fd) {
  ASSERT_EQ(bpf_prog_bind_map(program_fd, map_fd, nullptr), 0);
}

class ChainTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

TEST_F(ChainTest, EveryCaptureSeesEveryPacketAndAnyMayLeaveFirst) {
  std::vector<int> order = {0, 1, 2};
  do {
    SCOPED_TRACE(fmt::format("leaving: {} {} {}", order[0], order[1], order[2]));
    const Rig rig;
    std::vector<std::optional<HookCapture>> captures(3);
    std::vector<std::uint64_t> expected(3, 0);
    const auto send = [&] {
      rig.send(Action::Pass);
      for (std::size_t i = 0; i < captures.size(); ++i) {
        expected[i] += captures[i] ? 1U : 0U;
        if (captures[i]) {
          EXPECT_EQ(received(*captures[i], Action::Pass), expected[i]) << i;
        }
      }
    };
    for (std::optional<HookCapture>& capture : captures) {
      capture = rig.capture().value();
      send();
    }
    for (const int leaving : order) {
      captures[static_cast<std::size_t>(leaving)].reset();
      send();
    }
    EXPECT_EQ(rig.filled(), 0U);
  } while (std::ranges::next_permutation(order).found);
}

TEST_F(ChainTest, CapturesOfDifferentActionsAreOfOneChain) {
  const Rig rig;
  const HookCapture drops = rig.capture({Action::Drop}).value();
  {
    const HookCapture all = rig.capture().value();
    EXPECT_EQ(all.place().chain().members().size(), 2U);
    rig.send(Action::Drop);
    rig.send(Action::Tx);
    EXPECT_EQ(received(all, Action::Drop), 1U);
    EXPECT_EQ(received(all, Action::Tx), 1U);
  }
  EXPECT_EQ(rig.filled(), 1U);
  rig.send(Action::Drop);
  rig.send(Action::Tx);
  EXPECT_EQ(received(drops, Action::Drop), 2U);
}

TEST_F(ChainTest, AsManyAsTailCallsAllowAndNoMore) {
  const Rig rig;
  const Foreign foreign(rig);
  foreign.put();
  std::vector<HookCapture> captures;
  for (std::uint32_t i = 0; i < chain::kMostCaptures; ++i) {
    captures.push_back(rig.capture({Action::Pass}).value());
  }
  const Result<HookCapture> one_more = rig.capture({Action::Pass});
  ASSERT_FALSE(one_more);
  EXPECT_EQ(one_more.error().code, Errc::Busy);
  EXPECT_THAT(one_more.error().message, HasSubstr("33 tail calls"));
  rig.send(Action::Pass);
  // The first leaves, so that a dispatcher, one tail call more, is in front.
  EXPECT_TRUE(captures.back().detach());
  captures.pop_back();
  captures.push_back(rig.capture({Action::Pass}).value());
  EXPECT_TRUE(captures[30].detach());
  rig.send(Action::Pass);
  for (std::size_t i = 0; i < 30; ++i) {
    const abi::Counters counters = captures[i].counters().value()[2];
    EXPECT_EQ(counters.received, 2U) << i;
    EXPECT_EQ(counters.not_handed_on, 0U) << i;
  }
  EXPECT_EQ(foreign.received(), 2U);
  captures.clear();
  EXPECT_EQ(rig.hook.holder(Action::Pass).value(), foreign.id);
  ASSERT_TRUE(remove_program(rig.map.get(), 2));
}

TEST_F(ChainTest, AForeignProgramIsCalledAfterwardsAndPutBack) {
  const Rig rig;
  const Foreign foreign(rig);
  foreign.put();
  {
    const HookCapture first = rig.capture().value();
    const HookCapture second = rig.capture().value();
    rig.send(Action::Pass);
    EXPECT_EQ(foreign.received(), 1U);
    EXPECT_EQ(received(first, Action::Pass), 1U);
    EXPECT_EQ(received(second, Action::Pass), 1U);
  }
  EXPECT_EQ(rig.hook.holder(Action::Pass).value(), foreign.id);
  EXPECT_EQ(rig.filled(), 1U);
  rig.send(Action::Pass);
  EXPECT_EQ(foreign.received(), 2U);
}

TEST_F(ChainTest, AForeignProgramNeedsTheRightToReachIt) {
  const Rig rig;
  const Foreign foreign(rig);
  foreign.put();
  {
    const test::ReducedCapabilities few(kBpfAndNetAdmin | kPerfmon);
    const Result<HookCapture> refused = rig.capture();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::Permission);
    EXPECT_THAT(refused.error().message,
                testing::AllOf(HasSubstr("CAP_SYS_ADMIN"),
                               HasSubstr(fmt::format("program {}", foreign.id))));
    EXPECT_EQ(rig.hook.holder(Action::Pass).value(), foreign.id);
    EXPECT_EQ(rig.filled(), 1U);
    // Putting it out needs none.
    const HookCapture taking = rig.capture(kAllActions, OnBusy::Replace).value();
    rig.send(Action::Pass);
    EXPECT_EQ(received(taking, Action::Pass), 1U);
    EXPECT_EQ(foreign.received(), 0U);
  }
  EXPECT_EQ(rig.filled(), 0U);
}

TEST_F(ChainTest, RepairsWhatForeignToolsDo) {
  const Rig rig;
  const Foreign foreign(rig);
  HookCapture capture = rig.capture().value();
  Chain& chain = capture.place().chain();
  const std::uint32_t position = capture.place().position();
  EXPECT_EQ(chain.wrong_slots(position).value(), std::vector<Action>{});
  foreign.put();  // as the original does when it starts
  rig.send(Action::Pass);
  EXPECT_EQ(received(capture, Action::Pass), 0U);
  EXPECT_EQ(chain.wrong_slots(position).value(), std::vector<Action>{Action::Pass});
  std::optional<Repair> repair = chain.repair(position, Action::Pass).value();
  ASSERT_TRUE(repair);
  EXPECT_EQ(repair->kind, Repair::Kind::Taken);
  EXPECT_EQ(repair->holder, fmt::format("program {} (somebody)", foreign.id));
  rig.send(Action::Pass);
  EXPECT_EQ(received(capture, Action::Pass), 1U);
  EXPECT_EQ(foreign.received(), 2U);
  ASSERT_TRUE(remove_program(rig.map.get(), 2));  // and when it ends
  repair = chain.repair(position, Action::Pass).value();
  ASSERT_TRUE(repair);
  EXPECT_EQ(repair->kind, Repair::Kind::Emptied);
  rig.send(Action::Pass);
  EXPECT_EQ(received(capture, Action::Pass), 2U);
  EXPECT_EQ(foreign.received(), 2U);
  EXPECT_FALSE(chain.repair(position, Action::Pass).value());
  EXPECT_TRUE(capture.detach());
  EXPECT_EQ(rig.filled(), 0U);
}

TEST_F(ChainTest, ReplacesAFilterWhereverItStands) {
  const Rig rig;
  HookCapture last = rig.capture().value();
  HookCapture first = rig.capture().value();
  for (HookCapture* capture : {&last, &first}) {
    ASSERT_TRUE(capture->replace_filter(test::constant_filter(0)));
    rig.send(Action::Pass);
  }
  EXPECT_EQ(first.counters().value()[2].received, 2U);
  EXPECT_EQ(first.counters().value()[2].matched, 1U);
  EXPECT_EQ(last.counters().value()[2].received, 2U);
  EXPECT_EQ(last.counters().value()[2].matched, 0U);
  EXPECT_TRUE(first.detach());
  EXPECT_TRUE(last.detach());
  EXPECT_EQ(rig.filled(), 0U);
}

// A process that captures and dies, leaving its programs in the slots.
void die_capturing(const Rig& rig) {
  const pid_t child = ::fork();
  if (child == 0) {
    Result<HookCapture> capture = rig.capture();
    ::_exit(capture ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
}

TEST_F(ChainTest, TheNextCaptureRemovesRemains) {
  const Rig rig;
  die_capturing(rig);
  EXPECT_EQ(rig.filled(), 5U);
  rig.send(Action::Pass);
  const FoundChains found = find_chains(rig.hook).value();
  EXPECT_FALSE(found.live);
  ASSERT_EQ(found.remains.size(), 1U);
  ASSERT_EQ(found.remains[0].members.size(), 1U);
  {
    const JoinedChain joined = rig.join({Action::Tx});
    ASSERT_EQ(joined.notes.size(), 1U);
    EXPECT_THAT(joined.notes[0],
                HasSubstr(fmt::format("pid {}", found.remains[0].members[0].process.pid)));
    EXPECT_EQ(rig.filled(), 0U);
  }
  EXPECT_EQ(rig.capture({Action::Tx}).value().place().chain().members().size(), 1U);
  EXPECT_EQ(rig.filled(), 0U);
}

TEST_F(ChainTest, TheDeadLeaveALivingChain) {
  const Rig rig;
  const HookCapture living = rig.capture().value();
  die_capturing(rig);
  EXPECT_EQ(living.place().chain().members().size(), 2U);
  rig.send(Action::Drop);
  EXPECT_EQ(received(living, Action::Drop), 1U);
  EXPECT_EQ(rig.join({Action::Tx}).notes.size(), 1U);
  const HookCapture next = rig.capture().value();
  EXPECT_EQ(living.place().chain().members().size(), 2U);
  rig.send(Action::Drop);
  EXPECT_EQ(received(living, Action::Drop), 2U);
  EXPECT_EQ(received(next, Action::Drop), 1U);
}

// As when two processes start at the same moment without the lock.
TEST_F(ChainTest, CapturesOfAnotherLivingChainAreNoRemains) {
  const Rig rig;
  const HookCapture first = rig.capture({Action::Drop}).value();
  Chain other = Chain::create(rig.hook, kPlain).value();
  ChainMember member{.process = own_identity(),
                     .actions = {Action::Tx},
                     .command_line = "the other",
                     .filter = {}};
  const std::uint32_t position = other.reserve(member).value();
  const UniqueFd program = test::load_returning(3, kPlain, "the_other");
  bind_map(program.get(), other.state_fd());
  ASSERT_TRUE(other.enter(position, member.process, {{Action::Tx, program.get()}}));
  const std::vector<CaptureStatus> captures = captures_on(rig.hook, {}).value();
  EXPECT_EQ(captures.size(), 2U);
  EXPECT_TRUE(std::ranges::all_of(captures, &CaptureStatus::is_alive));
  {
    const JoinedChain third = rig.join({Action::Pass});
    EXPECT_TRUE(third.notes.empty());
    EXPECT_EQ(rig.hook.holder(Action::Tx).value(), program_id(program.get()).value());
  }
  EXPECT_EQ(rig.filled(), 2U);
  ASSERT_TRUE(other.leave(position, member.process));
}

// What steps of entering and leaving leave behind when their process is killed after them; docs/reliability.md has the same list.
struct Halfway {
  const char* what;
  // Of a capture of XDPPass that has entered in front of another, whose program has the id `before`.
  void (*make)(const Rig& rig, const ChainPlace& place, chain::ChainState& state,
               std::uint32_t before);
};

void put_before(const Rig& rig, std::uint32_t before) {
  ASSERT_TRUE(put_program(rig.map.get(), 2, open_program(before)->get()));
}

constexpr std::array<Halfway, 6> kHalfway = {{
    {"in the slot", [](const Rig&, const ChainPlace&, chain::ChainState&, std::uint32_t) {}},
    {"head changed, slot not", [](const Rig& rig, const ChainPlace&, chain::ChainState&,
                                  std::uint32_t before) { put_before(rig, before); }},
    {"goes on to the head, head not changed",
     [](const Rig& rig, const ChainPlace& place, chain::ChainState& state, std::uint32_t before) {
       put_before(rig, before);
       state.head[2] = state.next[2][place.position()];
     }},
    {"in its place, nobody goes there",
     [](const Rig& rig, const ChainPlace& place, chain::ChainState& state, std::uint32_t before) {
       put_before(rig, before);
       state.head[2] = std::exchange(state.next[2][place.position()], chain::kEndOfChain);
     }},
    {"unlinked, still in the slot",
     [](const Rig&, const ChainPlace& place, chain::ChainState& state, std::uint32_t) {
       state.head[2] = state.next[2][place.position()];
     }},
    {"out of the slot, place not freed",
     [](const Rig& rig, const ChainPlace& place, chain::ChainState& state, std::uint32_t) {
       state.head[2] = state.next[2][place.position()];
       const int dispatcher = place.chain().descriptors()[2 + index(Action::Pass)];
       ASSERT_TRUE(put_program(rig.map.get(), 2, dispatcher));
     }},
}};

TEST_F(ChainTest, LeavesFromEveryHalfwayState) {
  for (const Halfway& halfway : kHalfway) {
    SCOPED_TRACE(halfway.what);
    const Rig rig;
    {
      const HookCapture other = rig.capture().value();
      const std::uint32_t before = rig.hook.holder(Action::Pass)->value();
      HookCapture capture = rig.capture({Action::Pass}).value();
      const ChainRecords records = ChainRecords::map(capture.place().chain().state_fd()).value();
      halfway.make(rig, capture.place(), records.state(), before);
      rig.send(Action::Pass);
      EXPECT_EQ(received(other, Action::Pass), 1U) << "before";
      const std::uint32_t position = capture.place().position();
      ASSERT_TRUE(capture.detach());
      EXPECT_EQ(program_in_slot(other.place().chain().programs_fd(),
                                chain::place_of(Action::Pass, position))
                    .value(),
                std::nullopt);
      rig.send(Action::Pass);
      EXPECT_EQ(received(other, Action::Pass), 2U);
    }
    EXPECT_EQ(rig.filled(), 0U);
  }
}

TEST_F(ChainTest, SurvivesAnyMixOfComingAndGoing) {
  const Rig rig;
  std::mt19937 random(7);
  std::vector<std::optional<HookCapture>> captures(6);
  std::vector<std::uint64_t> expected(captures.size());
  for (int round = 0; round < 300; ++round) {
    const std::size_t which = random() % captures.size();
    if (captures[which]) {
      captures[which].reset();
    } else {
      captures[which] = rig.capture({Action::Pass, Action::Drop}).value();
      expected[which] = 0;
    }
    rig.send(Action::Pass);
    for (std::size_t i = 0; i < captures.size(); ++i) {
      if (captures[i]) {
        ASSERT_EQ(received(*captures[i], Action::Pass), ++expected[i])
            << i << " in round " << round;
      }
    }
  }
  captures.clear();
  EXPECT_EQ(rig.filled(), 0U);
}

TEST_F(ChainTest, HostileNumbersChangeNoVerdict) {
  const Rig rig;
  HookCapture first = rig.capture().value();
  HookCapture second = rig.capture().value();
  const Chain& chain = second.place().chain();
  ChainRecords records = ChainRecords::map(chain.state_fd()).value();
  const std::uint32_t one = first.place().position();
  const std::uint32_t two = second.place().position();
  auto& next = records.state().next[index(Action::Pass)];
  for (const std::uint32_t value :
       {0xffffffffU, 33U, 34U, 0x7fffffffU, 0x80000001U, 1000U, 31U, two}) {
    SCOPED_TRACE(value);
    next[one] = value;  // `two`: round and round
    next[two] = one;
    rig.send(Action::Pass);
    static_cast<void>(chain.members());
    static_cast<void>(chain.wrong_slots(one));
  }
  EXPECT_GT(second.counters().value()[2].not_handed_on + first.counters().value()[2].not_handed_on,
            0U);
  auto& members = records.state().members;
  members[0].command_line.fill('x');
  members[0].actions = 0xffffffff;
  EXPECT_EQ(chain.member(1)->command_line.size(), members[0].command_line.size() - 1);
  EXPECT_TRUE(first.detach());
  EXPECT_TRUE(second.detach());
  EXPECT_EQ(rig.filled(), 0U);
}

}  // namespace
}  // namespace xdpcap

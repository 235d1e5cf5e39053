// SPDX-License-Identifier: BSD-3-Clause
//
// Captures that share a hook: each sees every packet once, whatever the others do; no verdict changes, and the hook is afterwards
// as it was before.

#include "xdpcap/sharing/chain.h"

#include <cbpfc/ebpf.h>
#include <sys/mman.h>

#include <array>
#include <bit>
#include <memory>
#include <optional>
#include <random>

#include "xdpcap/kernel/map.h"
#include "xdpcap/program/helpers.h"
#include "xdpcap/tests/kernel/sharing/chain_rig.h"

namespace xdpcap {
namespace {

using test::ForeignProgram;
using test::kAllActions;
using test::kPassSlot;
using test::kPlain;
using test::received;
using testing::AllOf;
using testing::HasSubstr;
using Rig = test::ChainRig;

class ChainTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

TEST_F(ChainTest, EveryCaptureSeesEveryPacketAndAnyMayLeaveFirst) {
  std::vector<std::size_t> order = {0, 1, 2};
  do {
    SCOPED_TRACE(fmt::format("leaving: {} {} {}", order[0], order[1], order[2]));
    const Rig rig;
    std::vector<std::optional<HookCapture>> captures(3);
    std::vector<std::uint64_t> expected(3, 0);
    const auto send = [&] {
      rig.send();
      for (std::size_t i = 0; i < captures.size(); ++i) {
        expected[i] += captures[i] ? 1U : 0U;
        if (captures[i]) {
          EXPECT_EQ(received(*captures[i]), expected[i]) << i;
        }
      }
    };
    for (std::optional<HookCapture>& capture : captures) {
      capture.emplace(rig.capture().value());
      send();
    }
    for (const std::size_t leaving : order) {
      captures[leaving].reset();
      send();
    }
    rig.expect_untouched();
  } while (std::ranges::next_permutation(order).found);
}

TEST_F(ChainTest, CapturesOfDifferentActionsAreOfOneChain) {
  const Rig rig;
  const HookCapture drops = rig.capture({Action::Drop}).value();
  {
    const HookCapture all = rig.capture().value();
    EXPECT_EQ(rig.chain().members().size(), 2U);
    rig.send(Action::Drop);
    rig.send(Action::Tx);
    EXPECT_EQ(received(all, Action::Drop), 1U);
    EXPECT_EQ(received(all, Action::Tx), 1U);
  }
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Drop});
  rig.send(Action::Drop);
  rig.send(Action::Tx);
  EXPECT_EQ(received(drops, Action::Drop), 2U);
}

TEST_F(ChainTest, MembersSayWhoTheyAre) {
  const Rig rig;
  std::vector<std::string> notes;
  const JoinOptions options{.actions = {Action::Drop, Action::Redirect},
                            .command_line = std::string(1000, 'c'),
                            .filter = "ip",
                            .pid = 4242};
  const Chain chain = Chain::join(rig.hook, options, notes).value();
  EXPECT_THAT(notes, testing::IsEmpty());
  const std::vector<ChainMember> members = rig.chain().members();
  ASSERT_EQ(members.size(), 1U);
  EXPECT_EQ(members[0].position, chain.position());
  EXPECT_TRUE(members[0].is_alive);
  EXPECT_EQ(members[0].pid, 4242U);
  EXPECT_EQ(members[0].told_by_pid, 0U);
  EXPECT_EQ(members[0].actions, options.actions);
  EXPECT_EQ(members[0].command_line, std::string(255, 'c')) << "cut";
  EXPECT_EQ(members[0].filter, "ip");
}

TEST_F(ChainTest, EightCapturesAndNoMore) {
  const Rig rig;
  const ForeignProgram foreign(rig);
  foreign.put();
  std::vector<HookCapture> captures;
  for (std::uint32_t i = 0; i < chain::kMostCaptures; ++i) {
    captures.push_back(rig.capture({Action::Pass}).value());
  }
  const Result<HookCapture> one_more = rig.capture({Action::Drop});
  ASSERT_FALSE(one_more);
  EXPECT_EQ(one_more.error().code, Errc::Busy);
  EXPECT_THAT(one_more.error().message, HasSubstr("8 captures share it"));
  rig.send();
  ASSERT_TRUE(captures[5].detach());
  EXPECT_TRUE(rig.capture({Action::Drop})) << "there is room again";
  rig.send();
  for (std::size_t i = 0; i < captures.size(); ++i) {
    const abi::Counters counters = captures[i].counters().value()[kPassSlot];
    EXPECT_EQ(counters.received, i == 5 ? 1U : 2U) << i;
    EXPECT_EQ(counters.tail_call_failures, 0U) << i;
  }
  EXPECT_EQ(foreign.received(), 2U);
  captures.clear();
  EXPECT_EQ(rig.hook.holder(Action::Pass).value(), foreign.id);
  foreign.remove();
  rig.expect_untouched();
}

// All 255, set by hand: bits and slot, as entering and leaving would have left them.
TEST_F(ChainTest, EverySubsetOfPositionsSeesEveryPacketOnce) {
  const Rig rig;
  const ForeignProgram foreign(rig);
  foreign.put();
  std::vector<HookCapture> captures;  // the last one is called first
  for (std::uint32_t position = chain::kMostCaptures; position-- > 0;) {
    captures.push_back(rig.capture({Action::Pass}).value());
    EXPECT_EQ(captures.back().chain()->position(), position);
  }
  const Chain& chain = *captures.front().chain();
  const Mapping memory =
      map_pages(chain.state_fd(), chain::kStateBytes, PROT_READ | PROT_WRITE, 0).value();
  std::uint32_t& entered = static_cast<chain::ChainState*>(memory.get())->entered[kPassSlot];
  std::array<std::uint64_t, chain::kPositions> expected{};
  for (std::uint32_t subset = 1; subset < 1U << chain::kPositions; ++subset) {
    const auto front = static_cast<std::uint32_t>(std::countr_zero(subset));
    entered = subset;
    ASSERT_TRUE(
        put_program(rig.map.get(), kPassSlot, chain.open_program_of(front, Action::Pass)->get()));
    rig.send();
    for (std::uint32_t position = 0; position < chain::kMostCaptures; ++position) {
      expected[position] += subset >> position & 1U;
      const HookCapture& capture = captures[chain::kMostCaptures - 1 - position];
      const abi::Counters counters = capture.counters().value()[kPassSlot];
      ASSERT_EQ(counters.received, expected[position]) << position << " of " << subset;
      ASSERT_EQ(counters.tail_call_failures, 0U);
    }
    expected[chain::kForeignPosition] += subset >> chain::kForeignPosition & 1U;
    ASSERT_EQ(foreign.received(), expected[chain::kForeignPosition]) << subset;
  }
}

TEST_F(ChainTest, SurvivesAnyMixOfComingAndGoing) {
  const Rig rig;
  const ForeignProgram foreign(rig);
  foreign.put();
  std::mt19937 random(7);
  std::vector<std::optional<HookCapture>> captures(7);
  std::vector<std::uint64_t> expected(captures.size());
  for (std::uint64_t round = 1; round <= 300; ++round) {
    const std::size_t which = random() % captures.size();
    if (random() % 8 == 0) {
      rig.die_capturing({Action::Pass, Action::Tx});
    }
    if (!captures[which]) {
      captures[which].emplace(rig.capture({Action::Pass, Action::Drop}).value());
      expected[which] = 0;
    } else if (random() % 3 == 0) {
      ASSERT_TRUE(captures[which]->replace_filter(test::constant_filter(random() % 2)));
    } else {
      captures[which].reset();
    }
    rig.send();
    for (std::size_t i = 0; i < captures.size(); ++i) {
      if (captures[i]) {
        ASSERT_EQ(received(*captures[i]), ++expected[i]) << i << " in round " << round;
      }
    }
    ASSERT_EQ(foreign.received(), round);
  }
  captures.clear();
  if (std::optional<Chain> chain = Chain::find(rig.hook).value()) {
    static_cast<void>(chain->remove_dead());
  }
  EXPECT_EQ(rig.hook.holder(Action::Pass).value(), foreign.id);
  foreign.remove();
  rig.expect_untouched();
}

TEST_F(ChainTest, ReplacesAFilterWhereverItStands) {
  const Rig rig;
  HookCapture last = rig.capture().value();
  HookCapture first = rig.capture().value();
  for (HookCapture* capture : {&last, &first}) {
    ASSERT_TRUE(capture->replace_filter(test::constant_filter(0)));
    rig.send();
  }
  EXPECT_EQ(first.counters().value()[kPassSlot].received, 2U);
  EXPECT_EQ(first.counters().value()[kPassSlot].matched, 1U);
  EXPECT_EQ(last.counters().value()[kPassSlot].received, 2U);
  EXPECT_EQ(last.counters().value()[kPassSlot].matched, 0U);
  EXPECT_TRUE(first.detach());
  EXPECT_TRUE(last.detach());
  rig.expect_untouched();
}

TEST_F(ChainTest, WithdrawsSomeActionsAndComesBack) {
  const Rig rig;
  const HookCapture other = rig.capture({Action::Pass}).value();
  HookCapture capture = rig.capture({Action::Pass, Action::Drop}).value();
  ASSERT_TRUE(capture.chain()->withdraw({Action::Pass}));
  rig.send(Action::Pass);
  rig.send(Action::Drop);
  EXPECT_EQ(received(capture, Action::Pass), 0U);
  EXPECT_EQ(received(capture, Action::Drop), 1U);
  EXPECT_EQ(received(other), 1U);
  EXPECT_EQ(rig.chain().members().size(), 2U) << "it keeps its place";
  ASSERT_TRUE(capture.enter());
  rig.send(Action::Pass);
  EXPECT_EQ(received(capture, Action::Pass), 1U);
  EXPECT_EQ(received(other), 2U);
}

// --- A target that has used up tail calls of its own, of the 33 that a packet has.

/// Makes `calls` tail calls and then one into the hook.
class LongTarget {
 public:
  LongTarget(int hook_fd, std::uint32_t calls)
      : programs_(create_program_array("long_target", 34).value()) {
    for (std::uint32_t i = 0; i < calls; ++i) {
      entry_ = load(programs_.get(), i);
      links_.push_back(
          load(i + 1 < calls ? programs_.get() : hook_fd, i + 1 < calls ? i + 1 : kPassSlot));
      EXPECT_TRUE(put_program(programs_.get(), i, links_.back().get()));
    }
    entry_ = load(programs_.get(), 0);
  }
  std::uint32_t run() const { return test::test_run(entry_.get(), test::make_packet(60)).action; }

 private:
  static UniqueFd load(int array_fd, std::uint32_t slot) {
    using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace): as in capture_program.cc
    Assembly code;
    code.add_map_fd(Reg::R2, array_fd);
    code.add(mov(Reg::R3, static_cast<std::int32_t>(slot)));
    code.add(call(helper::kTailCall));
    code.add(mov(Reg::R0, 1));  // what was called returns 2
    code.add(exit_insn());
    const std::vector<Insn> insns = code.assemble().value();
    return load_xdp_program({.name = "long_target", .insns = insns}).value();
  }

  UniqueFd programs_;
  std::vector<UniqueFd> links_;
  UniqueFd entry_;
};

TEST_F(ChainTest, WhoIsNotReachedWithinTheTailCallsOfAPacketIsCounted) {
  constexpr std::uint32_t kMostTailCalls = 33;
  const Rig rig;
  const ForeignProgram foreign(rig);
  foreign.put();
  std::vector<HookCapture> captures;  // the last one is called first
  for (std::uint32_t i = 0; i < chain::kMostCaptures; ++i) {
    captures.push_back(rig.capture({Action::Pass}).value());
  }
  std::vector<std::uint64_t> expected(captures.size());
  std::vector<std::uint64_t> tail_call_failures(captures.size());
  std::uint64_t of_foreign = 0;
  for (std::uint32_t calls = 22; calls <= kMostTailCalls; ++calls) {
    SCOPED_TRACE(calls);
    const LongTarget target(rig.map.get(), calls);
    const std::uint32_t left = kMostTailCalls - calls;
    EXPECT_EQ(target.run(), left > 0 ? 2U : 1U);
    for (std::uint32_t nth = 1; nth <= captures.size(); ++nth) {
      const std::size_t i = captures.size() - nth;
      expected[i] += nth <= left ? 1U : 0U;
      tail_call_failures[i] += nth == left ? 1U : 0U;
      const abi::Counters counters = captures[i].counters().value()[kPassSlot];
      EXPECT_EQ(counters.received, expected[i]) << nth;
      EXPECT_EQ(counters.matched, expected[i]) << nth;
      EXPECT_EQ(counters.tail_call_failures, tail_call_failures[i]) << nth;
    }
    of_foreign += left > captures.size() ? 1U : 0U;
    EXPECT_EQ(foreign.received(), of_foreign);
  }
}

}  // namespace
}  // namespace xdpcap

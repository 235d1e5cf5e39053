// SPDX-License-Identifier: BSD-3-Clause
//
// A capture on a hook: gets into every kind of hook, changes no verdict, and leaves nothing behind.

#include "xdpcap/sharing/hook_capture.h"

#include <cbpfc/pcap_filter.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <set>
#include <thread>

#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/tests/kernel/bpf_fixture.h"
#include "xdpcap/tests/kernel/netns.h"

namespace xdpcap {
namespace {

using test::BpfObjects;
using test::make_packet;
using testing::AllOf;
using testing::HasSubstr;

constexpr Variant kPlain{.expected_attach_type = kAttachTypeXdp, .multi_buffer = false};
constexpr std::array<Variant, 4> kVariants = {
    {kPlain, {kAttachTypeXdp, true}, {0, false}, {0, true}}};
constexpr const char* kNeedsMultiBuffer = "needs multi-buffer programs and live frames: Linux 5.18";
const std::vector<Action> kAllActions(kActions.begin(), kActions.end());

/// A hook, pinned, with a target that returns the packet's byte 20.
struct Rig {
  static constexpr std::uint32_t kVerdictOffset = 20;

  explicit Rig(const Variant& variant = kPlain, std::uint32_t slots = 5)
      : map(test::make_hook(slots)),
        target(test::load_target(map.get(), {.from_offset = kVerdictOffset}, variant)),
        hook(Hook::open(directory.pin(map.get(), "hook")).value()) {}

  std::uint32_t verdict(std::uint32_t wanted) const {
    std::vector<std::uint8_t> packet = make_packet(60);
    packet[kVerdictOffset] = static_cast<std::uint8_t>(wanted);
    return test::test_run(target.get(), packet).action;
  }
  Result<HookCapture> capture(HookCaptureOptions options, OnBusy on_busy = OnBusy::Chain) const {
    return HookCapture::attach(hook, test::constant_filter(1), options, on_busy);
  }

  test::BpfDirectory directory;
  UniqueFd map;
  UniqueFd target;
  Hook hook;
};

/// Checks when it goes that the process has no descriptors it had not had, and that BPF objects it
/// noted are gone from the machine.
class NothingLeft {
 public:
  void note() { noted_ = test::own_bpf_objects(); }
  void check(const Hook& hook) const {
    EXPECT_EQ(test::open_descriptors(), descriptors_);
    BpfObjects ours;
    std::ranges::set_difference(noted_.programs, before_.programs,
                                std::inserter(ours.programs, ours.programs.end()));
    std::ranges::set_difference(noted_.maps, before_.maps,
                                std::inserter(ours.maps, ours.maps.end()));
    EXPECT_TRUE(test::still_there(ours).empty());
    for (const Action action : hook.actions()) {
      EXPECT_FALSE(hook.holder(action)->has_value()) << name(action);
    }
  }
  std::size_t noted_programs() const { return noted_.programs.size() - before_.programs.size(); }

 private:
  BpfObjects before_ = test::own_bpf_objects();
  BpfObjects noted_;
  std::map<int, std::string> descriptors_ = test::open_descriptors();
};

class HookCaptureTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

TEST_F(HookCaptureTest, EntersEveryVariantOfHookAndLeavesVerdictsAlone) {
  constexpr std::array<std::uint32_t, 8> kVerdicts = {0, 1, 2, 3, 4, 5, 7, 255};
  for (const Variant& variant : kVariants) {
    if (variant.multi_buffer && !test::has_multi_buffer()) {
      continue;
    }
    SCOPED_TRACE(variant.describe());
    const Rig rig(variant);
    NothingLeft nothing_left;
    {
      Result<HookCapture> capture = rig.capture({.actions = kAllActions});
      ASSERT_TRUE(capture.has_value()) << capture.error().message;
      EXPECT_EQ(capture->variant(), variant);
      nothing_left.note();
      EXPECT_EQ(nothing_left.noted_programs(), 5U);
      for (const std::uint32_t verdict : kVerdicts) {
        EXPECT_EQ(rig.verdict(verdict), verdict);
      }
      ASSERT_TRUE(capture->detach().has_value());
      EXPECT_EQ(test::drain_rings(capture->rings()).size(), 5U);
      const ActionCounters counters = capture->counters().value();
      for (const Action action : kActions) {
        EXPECT_EQ(counters[index(action)].received, 1U) << name(action);
        EXPECT_EQ(counters[index(action)].matched, 1U);
        EXPECT_EQ(counters[index(action)].lost, 0U);
      }
    }
    nothing_left.check(rig.hook);
    for (const std::uint32_t verdict : kVerdicts) {
      EXPECT_EQ(rig.verdict(verdict), verdict);
    }
  }
}

/// A filter of tens of thousands of instructions: jumps that go as far as they can, over code in which the kernel
/// replaces instructions by more.
TEST_F(HookCaptureTest, TakesFiltersOfThousandsOfTerms) {
  const Rig rig;
  for (const std::uint32_t terms : {850U, 1000U, 1100U, 2000U}) {
    SCOPED_TRACE(terms);
    std::string expression;
    for (std::uint32_t i = 0; i < terms; ++i) {
      const std::uint32_t word = (i + 1) * 0x9e3779b1U;
      expression += fmt::format("{}ip6 host {:x}:{:x}:{:x}::{:x}", i == 0 ? "" : " or ", word >> 16,
                                word & 0xffff, i, word & 0xfff);
    }
    const auto program = cbpfc::compile_expression(expression);
    ASSERT_TRUE(program) << program.error().message;
    const auto filter = cbpfc::Filter::decode(*program, cbpfc::Accept::Compiler);
    ASSERT_TRUE(filter) << filter.error().message;
    const auto capture =
        HookCapture::attach(rig.hook, *filter, {.actions = {Action::Pass}}, OnBusy::Chain);
    ASSERT_TRUE(capture) << capture.error().message;
    EXPECT_EQ(rig.verdict(2), 2U);
  }
}

TEST_F(HookCaptureTest, CapturesOnlyTheActionsAsked) {
  const Rig rig;
  Result<HookCapture> capture = rig.capture({.actions = {Action::Drop, Action::Redirect}});
  ASSERT_TRUE(capture.has_value()) << capture.error().message;
  for (const std::uint32_t verdict : {0U, 1U, 2U, 3U, 4U}) {
    EXPECT_EQ(rig.verdict(verdict), verdict);
  }
  const ActionCounters counters = capture->counters().value();
  EXPECT_EQ(counters[index(Action::Drop)].received, 1U);
  EXPECT_EQ(counters[index(Action::Redirect)].received, 1U);
  EXPECT_EQ(counters[index(Action::Pass)].received, 0U);
  EXPECT_FALSE(rig.hook.holder(Action::Pass)->has_value());
}

// The kernel drops such packets as it does with XDP_ABORTED; who looks for them has a program with a mistake.
TEST_F(HookCaptureTest, CapturesActionsThatTheKernelDoesNotKnow) {
  const Rig rig(kPlain, 8);
  NothingLeft nothing_left;
  {
    Result<HookCapture> capture = rig.capture({.actions = rig.hook.actions()});
    ASSERT_TRUE(capture.has_value()) << capture.error().message;
    Result<HookCapture> second = rig.capture({.actions = {action_of(6), Action::Drop}});
    ASSERT_TRUE(second.has_value()) << second.error().message;
    nothing_left.note();
    for (std::uint32_t verdict = 0; verdict < 10; ++verdict) {
      EXPECT_EQ(rig.verdict(verdict), verdict);
    }
    std::set<std::uint32_t> recorded;
    for (const auto& record : test::drain_rings(capture->rings())) {
      recorded.insert(record.at(abi::kActionOffset));
    }
    EXPECT_EQ(recorded, (std::set<std::uint32_t>{0, 1, 2, 3, 4, 5, 6, 7}));
    EXPECT_EQ(capture->counters().value()[5].received, 1U);
    EXPECT_EQ(capture->counters().value()[8].received, 0U);
    EXPECT_EQ(second->counters().value()[6].matched, 1U);
    EXPECT_EQ(second->counters().value()[5].received, 0U);
  }
  nothing_left.check(rig.hook);
}

TEST_F(HookCaptureTest, CapturesTheFirstSlotsOfALongHook) {
  const Rig rig(kPlain, 40);
  ASSERT_EQ(rig.hook.actions().size(), kMostActions);
  Result<HookCapture> capture =
      rig.capture({.actions = rig.hook.actions(), .limits = {.packets_per_second = 1000}});
  ASSERT_TRUE(capture.has_value()) << capture.error().message;
  for (const std::uint32_t verdict : {0U, 4U, 5U, 31U, 32U, 39U, 40U, 255U}) {
    EXPECT_EQ(rig.verdict(verdict), verdict);
  }
  EXPECT_EQ(test::drain_rings(capture->rings()).size(), 4U);
  EXPECT_EQ(capture->counters().value()[31].matched, 1U);
}

TEST_F(HookCaptureTest, WholeMultiBufferPacketsPassThroughTheHook) {
  if (!test::has_multi_buffer()) {
    GTEST_SKIP() << kNeedsMultiBuffer;
  }
  const Rig rig({kAttachTypeXdp, true});
  Result<HookCapture> capture = rig.capture({.actions = {Action::Pass}});
  ASSERT_TRUE(capture.has_value()) << capture.error().message;
  std::vector<std::uint8_t> packet = make_packet(9000);
  packet[Rig::kVerdictOffset] = 2;
  EXPECT_EQ(test::test_run(rig.target.get(), packet).action, 2U);
  const auto records = test::drain_rings(capture->rings());
  ASSERT_EQ(records.size(), 1U);
  ASSERT_GE(records[0].size(), sizeof(abi::RecordHeader) + packet.size());
  EXPECT_TRUE(
      std::equal(packet.begin(), packet.end(), records[0].begin() + sizeof(abi::RecordHeader)));
}

TEST_F(HookCaptureTest, RefusesTakenSlotsIfAskedTo) {
  const Rig rig;
  NothingLeft nothing_left;
  {
    const UniqueFd other = test::load_returning(1, kPlain, "somebody");
    ASSERT_TRUE(put_program(rig.map.get(), 1, other.get()).has_value());
    const std::uint32_t id = program_id(other.get()).value();
    const Result<HookCapture> capture = rig.capture({.actions = kAllActions}, OnBusy::Fail);
    ASSERT_FALSE(capture.has_value());
    EXPECT_EQ(capture.error().code, Errc::Busy);
    EXPECT_THAT(capture.error().message, AllOf(HasSubstr(rig.hook.path()), HasSubstr("XDPDrop"),
                                               HasSubstr(fmt::format("program {} (somebody)", id)),
                                               HasSubstr("key 1 0 0 0")));
    EXPECT_EQ(rig.hook.holder(Action::Drop).value(), id);
    EXPECT_FALSE(rig.hook.holder(Action::Aborted)->has_value());
    // The other slots are free for a capture.
    EXPECT_TRUE(rig.capture({.actions = {Action::Pass}}, OnBusy::Fail).has_value());
    ASSERT_TRUE(remove_program(rig.map.get(), 1).has_value());
  }
  nothing_left.check(rig.hook);
}

TEST_F(HookCaptureTest, SecondCaptureIsRefusedIfItAsksAndTheFirstGoesOn) {
  const Rig rig;
  const Result<HookCapture> first = rig.capture({.actions = kAllActions});
  ASSERT_TRUE(first.has_value());
  const Result<HookCapture> second = rig.capture({.actions = {Action::Pass}}, OnBusy::Fail);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Errc::Busy);
  EXPECT_THAT(second.error().message, HasSubstr(fmt::format("pid {}", ::getpid())));
  EXPECT_EQ(rig.verdict(2), 2U);
  EXPECT_EQ(first->counters().value()[index(Action::Pass)].received, 1U);
}

TEST_F(HookCaptureTest, LeavesOwnerlessHooksAlone) {
  const test::BpfDirectory directory;
  const UniqueFd map = test::make_hook();
  const Hook hook = Hook::open(directory.pin(map.get(), "hook")).value();
  const Result<HookCapture> capture =
      HookCapture::attach(hook, test::constant_filter(1), {.actions = kAllActions});
  ASSERT_FALSE(capture.has_value());
  EXPECT_EQ(capture.error().code, Errc::Busy);
  EXPECT_THAT(capture.error().message, AllOf(HasSubstr(hook.path()), HasSubstr(" -wait")));
  EXPECT_FALSE(hook.has_owner().value());
  // Any kind of program can still become the owner.
  EXPECT_TRUE(test::load_target(map.get(), {}, {0, test::has_multi_buffer()}).is_open());
}

TEST_F(HookCaptureTest, RefusesActionsItCannotCapture) {
  const Rig rig(kPlain, 4);
  struct Case {
    std::vector<Action> actions;
    std::string_view words;
  };
  for (const Case& c :
       {Case{{Action::Pass, Action::Redirect}, "has 4 slots, and none for XDPRedirect"},
        Case{{Action::Pass, Action::Pass}, "XDPPass is given twice"}, Case{{}, "no action"}}) {
    const Result<HookCapture> capture = rig.capture({.actions = c.actions});
    ASSERT_FALSE(capture.has_value());
    EXPECT_EQ(capture.error().code, Errc::InvalidArgument);
    EXPECT_THAT(capture.error().message, HasSubstr(std::string(c.words)));
  }
  EXPECT_TRUE(rig.capture({.actions = rig.hook.actions()}).has_value());
  EXPECT_EQ(rig.verdict(4), 4U);
}

TEST_F(HookCaptureTest, LeavesForeignProgramsInItsSlots) {
  const Rig rig;
  Result<HookCapture> capture = rig.capture({.actions = kAllActions});
  ASSERT_TRUE(capture.has_value());
  const UniqueFd other = test::load_returning(2, kPlain, "somebody");
  ASSERT_TRUE(put_program(rig.map.get(), 2, other.get()).has_value());
  ASSERT_TRUE(remove_program(rig.map.get(), 0).has_value());
  EXPECT_TRUE(capture->detach().has_value());
  EXPECT_EQ(rig.hook.holder(Action::Pass).value(), program_id(other.get()).value());
  for (const Action action : {Action::Aborted, Action::Drop, Action::Tx, Action::Redirect}) {
    EXPECT_FALSE(rig.hook.holder(action)->has_value());
  }
}

TEST_F(HookCaptureTest, DetachesOnceAndMovesWhole) {
  const Rig rig;
  NothingLeft nothing_left;
  {
    HookCapture first = rig.capture({.actions = kAllActions}).value();
    HookCapture second = std::move(first);
    EXPECT_EQ(rig.verdict(1), 1U);
    EXPECT_EQ(second.counters().value()[1].received, 1U);
    EXPECT_TRUE(second.detach().has_value());
    EXPECT_TRUE(second.detach().has_value());
    {
      const HookCapture third = rig.capture({.actions = kAllActions}).value();
      nothing_left.note();
    }
    EXPECT_FALSE(rig.hook.holder(Action::Drop)->has_value());
  }
  nothing_left.check(rig.hook);
}

// What the thread that reads the filter again and the one that shows statistics do; looked at by the thread sanitizer (preset tsan).
TEST_F(HookCaptureTest, CountersAreReadWhileTheFilterIsReplaced) {
  constexpr int kReplacements = 100;
  const Rig rig;
  HookCapture capture = rig.capture({.actions = kAllActions, .counts_only = true}).value();
  std::atomic<bool> is_over = false;
  std::uint64_t reads = 0;
  std::thread reading([&] {
    std::uint64_t last = 0;
    while (!is_over) {
      const Result<ActionCounters> counters = capture.counters();
      ASSERT_TRUE(counters.has_value());
      EXPECT_TRUE(capture.counters_by_cpu().has_value());
      EXPECT_GE((*counters)[2].received, last) << "numbers go on over the change";
      last = (*counters)[2].received;
      ++reads;
    }
  });
  for (std::uint32_t i = 0; i < kReplacements; ++i) {
    ASSERT_TRUE(capture.replace_filter(test::constant_filter(i % 2)).has_value());
    EXPECT_EQ(rig.verdict(2), 2U);
  }
  is_over = true;
  reading.join();
  EXPECT_GT(reads, 10U);
  const ActionCounters counters = capture.counters().value();
  EXPECT_EQ(counters[2].received, std::uint64_t{kReplacements});
  EXPECT_EQ(counters[2].matched, std::uint64_t{kReplacements / 2});
}

TEST_F(HookCaptureTest, RoundsTheRing) {
  const Rig rig;
  struct Case {
    std::uint32_t snaplen_bytes;
    std::uint64_t asked_bytes;
    std::uint64_t got_bytes;
  };
  for (const Case& c :
       {Case{64, 0, 4096}, Case{64, 8192, 8192}, Case{64, 8193, 16384}, Case{65535, 8192, 131072},
        Case{4056, 0, 4096}, Case{4064, 0, 8192}, Case{65535, 1U << 22, 1U << 22}}) {
    const Result<HookCapture> capture = rig.capture(
        {.actions = {Action::Pass}, .snaplen_bytes = c.snaplen_bytes, .ring_bytes = c.asked_bytes});
    ASSERT_TRUE(capture.has_value()) << capture.error().message;
    EXPECT_EQ(capture->rings().ring_bytes(), c.got_bytes)
        << c.snaplen_bytes << ", " << c.asked_bytes;
    // A packet as long as the snap length fits.
    std::vector<std::uint8_t> packet = make_packet(std::min(c.snaplen_bytes, 3520U));
    packet[Rig::kVerdictOffset] = 2;
    test::test_run(rig.target.get(), packet);
    EXPECT_EQ(capture->counters().value()[2].lost, 0U) << c.snaplen_bytes << ", " << c.asked_bytes;
  }
}

TEST_F(HookCaptureTest, RefusesRingsThatCannotBe) {
  const Rig rig;
  NothingLeft nothing_left;
  for (const std::uint64_t size : {(std::uint64_t{1} << 31) + 1, std::uint64_t{1} << 32,
                                   std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    const Result<HookCapture> capture =
        rig.capture({.actions = {Action::Pass}, .ring_bytes = size});
    ASSERT_FALSE(capture.has_value());
    EXPECT_EQ(capture.error().code, Errc::InvalidArgument);
    EXPECT_THAT(capture.error().message, HasSubstr(fmt::format("{} bytes", size)));
  }
  nothing_left.check(rig.hook);
}

TEST_F(HookCaptureTest, NamesMissingCapabilities) {
  const Rig rig;
  struct Case {
    std::uint64_t lacking;
    std::string_view words;
  };
  constexpr std::uint64_t kSysAdmin = std::uint64_t{1} << 21;
  constexpr std::uint64_t kNetAdmin = std::uint64_t{1} << 12;
  constexpr std::uint64_t kPerfmon = std::uint64_t{1} << 38;
  constexpr std::uint64_t kBpf = std::uint64_t{1} << 39;
  NothingLeft nothing_left;
  for (const Case& c : {Case{kSysAdmin | kBpf, "lacks CAP_BPF;"},
                        Case{kSysAdmin | kNetAdmin, "lacks CAP_NET_ADMIN;"},
                        Case{kSysAdmin | kBpf | kNetAdmin, "lacks CAP_BPF and CAP_NET_ADMIN"}}) {
    const test::ReducedCapabilities few(~c.lacking);
    const Result<HookCapture> capture = rig.capture({.actions = kAllActions});
    ASSERT_FALSE(capture.has_value());
    EXPECT_EQ(capture.error().code, Errc::Permission) << capture.error().message;
    EXPECT_THAT(capture.error().message, HasSubstr(std::string(c.words)));
  }
  {
    // A filter that adds a value from the packet to a packet pointer is what takes CAP_PERFMON.
    const std::array<cbpfc::RawInsn, 3> raw = {
        {{.code = 0xb1, .k = 14}, {.code = 0x50, .k = 14}, {.code = 0x16}}};
    const test::ReducedCapabilities few(~(kSysAdmin | kPerfmon));
    const Result<HookCapture> capture =
        HookCapture::attach(rig.hook, cbpfc::Filter::decode(raw).value(), {.actions = kAllActions});
    if (!capture.has_value()) {
      EXPECT_EQ(capture.error().code, Errc::Permission) << capture.error().message;
      EXPECT_THAT(capture.error().message, HasSubstr("lacks CAP_PERFMON"));
    }
  }
  {
    const test::ReducedCapabilities enough(kNetAdmin | kBpf);
    const Result<HookCapture> capture = rig.capture({.actions = kAllActions});
    ASSERT_TRUE(capture.has_value()) << capture.error().message;
    EXPECT_EQ(capture->transport(), Transport::Shared);
  }
  nothing_left.check(rig.hook);
}

TEST_F(HookCaptureTest, CountsEveryPacketOfALiveStream) {
  if (!test::has_multi_buffer()) {
    GTEST_SKIP() << kNeedsMultiBuffer;
  }
  constexpr std::uint32_t kPackets = 4000;
  constexpr std::uint32_t kBatch = 200;  // less than a veth queue holds, so none is lost on the way
  const test::NetNamespace net;
  const auto inside = net.enter();
  const Rig rig;
  const UniqueFd right = test::attach_xdp(rig.target.get(), net.right_ifindex());
  // veth hands frames over only while the sending end has XDP too.
  const UniqueFd pass = test::load_returning(2, kPlain, "test_pass");
  const UniqueFd left = test::attach_xdp(pass.get(), net.left_ifindex());
  const UniqueFd generator = test::load_redirect(net.left_ifindex());
  HookCapture capture = rig.capture({.actions = kAllActions, .ring_bytes = 1U << 24}).value();
  std::vector<std::uint8_t> packet = make_packet(60);
  packet[Rig::kVerdictOffset] = 1;
  for (std::uint32_t sent = 0; sent < kPackets; sent += kBatch) {
    test::send_live_frames(generator.get(), packet, kBatch, net.left_ifindex());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ASSERT_TRUE(capture.detach().has_value());
  const ActionCounters counters = capture.counters().value();
  EXPECT_EQ(counters[1].received, kPackets);
  EXPECT_EQ(counters[1].matched, kPackets);
  EXPECT_EQ(test::drain_rings(capture.rings()).size(), kPackets - counters[1].lost);
}

}  // namespace
}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// What goes wrong with a live hook: who is in the way is named, whoever was there first stays
// undisturbed, and nothing is left.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <thread>

#include "xdpcap/sharing/chain.h"
#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;

class Errors : public EndToEndTest {};

// Runs xdpcap, which has to fail with one line that says `reason`.
void expect_failure(const std::vector<std::string>& arguments, const std::string& reason) {
  const Outcome outcome = run(xdpcap_command(arguments));
  EXPECT_EQ(outcome.end.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr(reason));
  EXPECT_EQ(split(outcome.errors, '\n').size(), 2U) << outcome.errors;
  EXPECT_EQ(outcome.output, "");
}

TEST_F(Errors, TakenSlotsNameTheirHolder) {
  const Rig rig;
  Capture first(rig.target().hook_fd(), {rig.hook(), rig.file("first.pcapng")});
  const std::vector<std::uint32_t> slots = slots_of(rig.target().hook_fd());
  const std::string second = rig.file("second.pcapng");
  const std::string holder =
      fmt::format("another capture is running: pid {} (", first.process().pid());
  expect_failure({"-on-busy", "fail", rig.hook(), second}, holder);
  expect_failure({"-on-busy", "fail", "-actions", "tx", rig.hook(), second}, holder);
  EXPECT_FALSE(std::filesystem::exists(second));
  EXPECT_EQ(slots_of(rig.target().hook_fd()), slots);
  const PacketSocket delivered = rig.delivered();
  rig.sending().send(order_frame(2, 1));
  EXPECT_EQ(delivered.receive(1).size(), 1U);
  first.stop();
  EXPECT_EQ(packets_in(rig.file("first.pcapng")), std::vector<Bytes>{order_frame(2, 1)});
}

TEST_F(Errors, TwoCapturesShareAHookWithoutSharingASlot) {
  const Rig rig;
  const PacketSocket delivered = rig.delivered();
  Capture drops(rig.target().hook_fd(), {"-actions", "drop", rig.hook(), rig.file("a.pcapng")}, 1);
  {
    Capture passes(rig.target().hook_fd(), {"-actions", "pass", rig.hook(), rig.file("b.pcapng")},
                   2);
    rig.sending().send(std::vector<Bytes>{order_frame(1, 1), order_frame(2, 2)});
    EXPECT_EQ(delivered.receive(1).size(), 1U);
    passes.process().signal(SIGINT);
    EXPECT_EQ(passes.process().wait().exit_code, 0);
    EXPECT_EQ(filled_slots(rig.target().hook_fd()), 1U);
  }
  drops.stop();
  EXPECT_EQ(packets_in(rig.file("a.pcapng")), std::vector<Bytes>{order_frame(1, 1)});
  EXPECT_EQ(packets_in(rig.file("b.pcapng")), std::vector<Bytes>{order_frame(2, 2)});
}

TEST_F(Errors, PacketsThatCouldNotBeHandedOnAreSaid) {
  const Rig rig;
  const PacketSocket delivered = rig.delivered();
  Capture capture(rig.target().hook_fd(), {rig.hook(), rig.file("out.pcapng")});
  {
    const Hook hook = Hook::open(rig.hook()).value();
    const std::optional<Chain> chain = Chain::find(hook).value();
    ASSERT_TRUE(chain);
    const Mapping mapping =
        map_pages(chain->state_fd(), chain::kStateBytes, PROT_READ | PROT_WRITE, 0).value();
    auto& entered = static_cast<chain::ChainState*>(mapping.get())->entered[index(Action::Pass)];
    const std::uint32_t before = entered;
    entered |=
        1U << chain::kForeignPosition;  // a tail call to an empty place fails as one too many does
    rig.sending().send(order_frame(2, 1));
    EXPECT_EQ(delivered.receive(1).size(), 1U);
    entered = before;
  }
  capture.process().signal(SIGINT);
  EXPECT_EQ(capture.wait(Millis(5'000)).exit_code, 1);
  EXPECT_THAT(capture.process().errors(), HasSubstr("1 packet could not be handed on"));
}

TEST_F(Errors, AnOwnerlessHookIsRefusedAndStaysUsable) {
  const UniqueFd hook = make_hook();
  const Rig rig;
  const std::string path = rig.pins().pin(hook.get(), "lonely");
  const std::string file = rig.file("out.pcapng");
  note_bpf_objects(::getpid());
  expect_failure({path, file}, "no XDP program uses it yet");
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_EQ(filled_slots(hook.get()), 0U);
  // Both kinds of target can still become the owner; here the one that is tried second.
  const Target target(
      {.variant = {.expected_attach_type = 37, .multi_buffer = true}, .hook_fd = hook.get()});
  target.want(1);
  Capture capture(hook.get(), {path, file});
  EXPECT_EQ(test_run(target.program_fd(), numbered_frame(1, 60)).action, 1U);
  capture.stop();
  EXPECT_EQ(packets_in(file), std::vector<Bytes>{numbered_frame(1, 60)});
}

TEST_F(Errors, WaitingEndsWhenATargetIsLoaded) {
  const UniqueFd hook = make_hook();
  const BpfDirectory pins;
  const WorkDirectory files;
  const std::string path = pins.pin(hook.get(), "hook");
  Process waiting(xdpcap_command({"--wait", path, files.file("out.pcapng")}));
  std::this_thread::sleep_for(Millis(400));
  EXPECT_TRUE(waiting.is_running());
  EXPECT_EQ(filled_slots(hook.get()), 0U);
  const Target target({.hook_fd = hook.get()});
  target.want(3);
  ASSERT_TRUE(becomes_true([&] { return filled_slots(hook.get()) == 5; }, Millis(2'000)));
  note_bpf_objects(waiting.pid());
  EXPECT_EQ(test_run(target.program_fd(), numbered_frame(1, 60)).action, 3U);
  waiting.signal(SIGTERM);
  EXPECT_EQ(waiting.wait().exit_code, 0) << waiting.errors();
  EXPECT_EQ(filled_slots(hook.get()), 0U);
  const std::vector<Captured> packets = read_capture(files.file("out.pcapng"));
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].verdict, "3");
}

TEST_F(Errors, WaitingCanBeInterrupted) {
  const UniqueFd hook = make_hook();
  const BpfDirectory pins;
  const WorkDirectory files;
  const UniqueFd unrelated = load_returning(2, {}, "test_unrelated");
  note_bpf_objects(::getpid());
  Process waiting(xdpcap_command({"--wait", pins.pin(hook.get(), "hook"), files.file("out")}));
  std::this_thread::sleep_for(Millis(300));
  waiting.signal(SIGINT);
  EXPECT_EQ(waiting.wait(Millis(1'000)).exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(files.file("out")));
}

TEST_F(Errors, AFullDiskEndsTheCaptureAndKeepsTheFile) {
  const Rig rig;
  const WorkDirectory small(64U << 10U);
  const std::string file = small.file("out.pcapng");
  Capture capture(rig.target().hook_fd(), {rig.hook(), file});
  const PacketSocket delivered = rig.delivered();
  std::vector<Bytes> frames;
  for (std::uint32_t i = 0; i < 100; ++i) {
    frames.push_back(numbered_frame(i, 1500));
  }
  rig.sending().send(frames);
  EXPECT_EQ(delivered.receive(frames.size()), frames);
  const Ended end = capture.wait(Millis(3'000));
  EXPECT_TRUE(end.is_over);
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_THAT(capture.process().errors(), HasSubstr("no space left on the file system"));
  EXPECT_THAT(capture.process().errors(), HasSubstr(file));
  EXPECT_THAT(capture.last_line(), HasSubstr(" not written"));
  const std::vector<Captured> packets = read_capture(file);
  EXPECT_GT(packets.size(), 20U);
  EXPECT_LT(packets.size(), 45U);
  for (std::size_t i = 0; i < packets.size(); ++i) {
    EXPECT_EQ(packets[i].bytes, frames[i]);
  }
}

TEST_F(Errors, WithoutTheOutputsDirectoryNothingIsAttached) {
  const Rig rig;
  note_bpf_objects(::getpid());
  expect_failure({rig.hook(), rig.file("missing/out.pcapng")}, "missing/out.pcapng");
  EXPECT_EQ(filled_slots(rig.target().hook_fd()), 0U);
}

TEST_F(Errors, AHookOfFourSlotsIsWarnedAbout) {
  const Rig rig({.target = {.slots = 4}});
  Capture capture(rig.target().hook_fd(), {"-q", rig.hook(), rig.file("out.pcapng")}, 4);
  EXPECT_THAT(capture.process().errors(), HasSubstr("warning: "));
  EXPECT_THAT(capture.process().errors(), HasSubstr("XDPRedirect cannot be seen"));
  const PacketSocket delivered = rig.delivered();
  const PacketSocket redirected = rig.redirected();
  std::vector<Bytes> frames;
  for (const std::uint32_t action : {0U, 1U, 3U, 4U, 2U}) {
    frames.push_back(order_frame(action, action));
  }
  rig.sending().send(frames);
  EXPECT_EQ(delivered.receive(1), std::vector<Bytes>{frames[4]});
  EXPECT_EQ(redirected.receive(1), std::vector<Bytes>{frames[3]});
  capture.stop();
  frames.erase(frames.begin() + 3);
  EXPECT_EQ(packets_in(rig.file("out.pcapng")), frames);
  expect_failure({"-actions", "redirect", rig.hook(), rig.file("none")}, "none for XDPRedirect");
}

}  // namespace
}  // namespace xdpcap::test

// SPDX-License-Identifier: BSD-3-Clause
//
// What happens to a target's interface and program while a capture runs.  A capture is on a hook, not on an interface: it goes on,
// idle if nothing comes any more, and ends when it is told to.

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <thread>

#include "xdpcap/kernel/program.h"
#include "xdpcap/tests/kernel/resource_faults/own_machine.h"
#include "xdpcap/tests/kernel/resource_faults/stage.h"

namespace xdpcap::test {
namespace {

// CPU time of a process so far, of all its threads.
Millis cpu_time(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  const std::vector<std::string> words = split(text.substr(text.rfind(')') + 2), ' ');
  const long ticks = std::stol(words.at(11)) + std::stol(words.at(12));
  return Millis(ticks * 1000 / ::sysconf(_SC_CLK_TCK));
}

// The link that keeps the target on its interface.
UniqueFd link_of(const Target& target) {
  const std::uint32_t program = program_id(target.program_fd()).value();
  std::uint32_t id = 0;
  while (::bpf_link_get_next_id(id, &id) == 0) {
    UniqueFd link(::bpf_link_get_fd_by_id(id));
    bpf_link_info info{};
    std::uint32_t size = sizeof(info);
    if (link.is_open() && ::bpf_obj_get_info_by_fd(link.get(), &info, &size) == 0 &&
        info.prog_id == program) {
      return link;
    }
  }
  give_up("find the target's link");
}

/// A capture whose target something happens to.
class TargetLife : public ResourceFaults {
 protected:
  void SetUp() override {
    ResourceFaults::SetUp();
    stage_.emplace();
    stage_->rig().target().want(kDrop);
    capture_.emplace(stage_->hook_fd(), std::vector<std::string>{stage_->rig().hook(), file()});
    send();
  }
  void TearDown() override {
    capture_.reset();
    stage_.reset();
    ResourceFaults::TearDown();
  }

  const Rig& rig() const { return stage_->rig(); }
  std::string file() const { return stage_->file("out.pcapng"); }

  void send() {
    constexpr std::uint32_t kFrames = 20;
    const std::uint64_t before = rig().arrived_frames();
    const PacketSocket sender = rig().sending();
    for (std::uint32_t i = 0; i < kFrames; ++i) {
      sender.send(numbered_frame(i, 100));
    }
    EXPECT_TRUE(becomes_true([&] { return rig().arrived_frames() == before + kFrames; }));
    sent_ += kFrames;
  }
  // Packets that go past the target: it is not there any more.
  void send_past() {
    send();
    sent_ -= 20;
  }

  // Expects that the capture neither ends nor spins, and has accounted for all when told to end.
  void expect_quiet_and_exact() {
    const pid_t pid = capture_->process().pid();
    const Millis before = cpu_time(pid);
    std::this_thread::sleep_for(Millis(1'000));
    EXPECT_LT(cpu_time(pid) - before, Millis(50));
    EXPECT_TRUE(capture_->process().is_running()) << capture_->process().errors();
    capture_->stop();
    const Totals totals = parse_totals(capture_->last_line());
    EXPECT_EQ(totals.received, sent_);
    EXPECT_EQ(totals.written, sent_);
    expect_exact(capture_->last_line(), file());
    stage_->expect_nothing_left();
  }

 private:
  std::optional<Stage> stage_;
  std::optional<Capture> capture_;
  std::uint64_t sent_ = 0;
};

TEST_F(TargetLife, TheInterfaceGoesDownAndUp) {
  rig().observed().run(fmt::format("ip -n {0} link set to_a down && ip -n {0} link set to_a up",
                                   rig().observed().name()));
  send();
  expect_quiet_and_exact();
}

TEST_F(TargetLife, TheInterfaceIsRenamed) {
  const std::string change =
      "ip -n {0} link set to_a down && ip -n {0} link set {1} name {2} && ip -n {0} link set {2} up";
  rig().observed().run(fmt::format(fmt::runtime(change), rig().observed().name(), "to_a", "other"));
  rig().observed().run(
      fmt::format("ip -n {0} link set other down && ip -n {0} link set other name to_a && "
                  "ip -n {0} link set to_a up",
                  rig().observed().name()));
  send();
  expect_quiet_and_exact();
}

TEST_F(TargetLife, TheInterfaceMovesToAnotherNamespace) {
  rig().observed().run(fmt::format("ip -n {} link set to_a netns {}", rig().observed().name(),
                                   rig().sender().name()));
  expect_quiet_and_exact();
}

TEST_F(TargetLife, TheInterfaceIsDeleted) {
  rig().observed().run(fmt::format("ip -n {} link del to_a", rig().observed().name()));
  expect_quiet_and_exact();
}

TEST_F(TargetLife, TheDriverIsUnloaded) {
  if (!is_own_machine()) {
    GTEST_SKIP() << kNotOwnMachine;
  }
  run_command("rmmod veth");
  expect_quiet_and_exact();
}

TEST_F(TargetLife, TheProgramIsDetached) {
  ASSERT_EQ(::bpf_link_detach(link_of(rig().target()).get()), 0);
  send_past();
  expect_quiet_and_exact();
}

TEST_F(TargetLife, TheProgramIsReplaced) {
  const UniqueFd other =
      load_returning(kDrop, {.expected_attach_type = 37, .multi_buffer = false}, "other");
  ASSERT_EQ(::bpf_link_update(link_of(rig().target()).get(), other.get(), nullptr), 0);
  send_past();
  expect_quiet_and_exact();
}

TEST_F(TargetLife, TheHookIsUnpinned) {
  ASSERT_TRUE(std::filesystem::remove(rig().hook()));
  send();
  expect_quiet_and_exact();
}

}  // namespace
}  // namespace xdpcap::test

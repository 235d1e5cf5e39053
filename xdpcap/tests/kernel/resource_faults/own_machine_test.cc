// SPDX-License-Identifier: BSD-3-Clause
//
// What would disturb everybody else on a machine, so only where XDPCAP_OWN_MACHINE is set, as in the virtual machines of
// verify/machines: the clock is set, the JIT compiler of the kernel switched off, the interfaces are those of a network card.

#include "xdpcap/tests/kernel/resource_faults/own_machine.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <net/if.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>

#include "xdpcap/kernel/map.h"
#include "xdpcap/tests/kernel/array_program.h"
#include "xdpcap/tests/kernel/resource_faults/stage.h"
#include "xdpcap/tests/kernel/resource_faults/traffic.h"

namespace xdpcap::test {
namespace {

class OwnMachine : public ResourceFaults {
 protected:
  void SetUp() override {
    ResourceFaults::SetUp();
    if (!is_own_machine()) {
      GTEST_SKIP() << kNotOwnMachine;
    }
  }
};

void move_clock(std::chrono::seconds by) {
  timespec now{};
  ASSERT_EQ(::clock_gettime(CLOCK_REALTIME, &now), 0);
  now.tv_sec += by.count();
  ASSERT_EQ(::clock_settime(CLOCK_REALTIME, &now), 0);
}

TEST_F(OwnMachine, TheClockIsSet) {
  using std::chrono::days;
  const Stage stage;
  Traffic traffic(stage.rig());
  const std::string file = stage.file("out.pcapng");
  Capture capture(stage.hook_fd(), std::vector<std::string>{stage.rig().hook(), file});
  for (const days by : {days(400), days(-800), days(400)}) {
    traffic.await_rounds(20);
    move_clock(by);
  }
  traffic.await_rounds(20);
  capture.stop();
  traffic.stop();
  expect_exact(capture.last_line(), file);
  EXPECT_GE(parse_totals(capture.last_line()).received, 4 * 20 * Traffic::kPacketsOfARound);
  stage.expect_nothing_left();
}

TEST_F(OwnMachine, TheJitCompilerIsOff) {
  constexpr const char* kSwitch = "/proc/sys/net/core/bpf_jit_enable";
  const auto set = [](int value) {
    return static_cast<bool>(std::ofstream(kSwitch) << value << std::flush);
  };
  if (!set(0)) {
    GTEST_SKIP() << "this kernel has no interpreter of BPF (CONFIG_BPF_JIT_ALWAYS_ON)";
  }
  const Stage stage;
  Traffic traffic(stage.rig());
  const std::string file = stage.file("out.pcapng");
  for (const char* filter : {"", "udp dst port 7007"}) {
    SCOPED_TRACE(filter);
    std::vector<std::string> options = {"-c", "30", stage.rig().hook(), file};
    if (*filter != '\0') {
      options.emplace_back(filter);
    }
    EXPECT_TRUE(ends_well(stage, stage.command(options), file));
  }
  traffic.stop();
  EXPECT_TRUE(set(1));
}

// Constants are blinded, and the kernel shows no addresses and so no instructions: the name of the map decides.
TEST_F(OwnMachine, TheKernelShowsNoInstructions) {
  const auto set = [](int value) {
    for (const char* name : {"net/core/bpf_jit_harden", "kernel/kptr_restrict"}) {
      EXPECT_TRUE(std::ofstream(std::string("/proc/sys/") + name) << value << std::flush) << name;
    }
  };
  set(2);
  {
    const BpfDirectory pins;
    const WorkDirectory files;
    const std::string object = XDPCAP_TEST_PROGRAMS_DIR "/program_arrays_O2.o";
    const ArrayProgram other(object, "hook_constant");
    const Outcome refused =
        run(xdpcap_command({pins.pin(other.array_fd(), "other"), files.file("a")}));
    EXPECT_EQ(refused.end.exit_code, 1);
    EXPECT_NE(refused.errors.find("the kernel does not show its instructions"), std::string::npos)
        << refused.errors;
    const UniqueFd array = create_program_array("xdpcap_x", 5).value();
    const ArrayProgram named(object, "hook_constant", array.get());
    Capture capture(array.get(), {pins.pin(array.get(), "named"), files.file("b")});
    capture.stop();
  }
  set(0);
}

/// The first interfaces of this machine with that driver.
std::vector<std::string> interfaces_of(const std::string& driver) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/net")) {
    std::error_code none;
    const auto link = std::filesystem::read_symlink(entry.path() / "device/driver", none);
    if (link.filename() == driver) {
      names.push_back(entry.path().filename());
    }
  }
  std::ranges::sort(names);
  return names;
}

struct Card {
  const char* driver;
  bool native;
};

class Cards : public OwnMachine, public testing::WithParamInterface<Card> {};

// Two cards with a cable between them.
TEST_P(Cards, AreCapturedFrom) {
  constexpr std::uint32_t kFrames = 500;
  const Card card = GetParam();
  run_command(fmt::format("modprobe {}", card.driver));
  std::vector<std::string> names;
  const bool are_there = becomes_true([&] {
    names = interfaces_of(card.driver);
    return names.size() == 2;
  });
  if (!are_there) {
    GTEST_SKIP() << "this machine has no two cards of " << card.driver;
  }
  const NetNamespace sender;
  const NetNamespace observed;
  const auto move = [](const std::string& name, const NetNamespace& to) {
    run_command(fmt::format("ip link set {} netns {}", name, to.name()));
    // The frames are for no address of a card.
    to.run(fmt::format("ip link set {} up promisc on", name));
  };
  move(names[0], sender);
  move(names[1], observed);
  {
    const Stage stage({.target = {}, .native = true, .net = {}});
    stage.rig().target().want(kDrop);
    UniqueFd link;
    {
      const auto inside = observed.enter();
      link = attach_xdp(stage.rig().target().program_fd(), ::if_nametoindex(names[1].c_str()),
                        card.native);
    }
    const std::string file = stage.file("out.pcapng");
    Capture capture(stage.hook_fd(),
                    std::vector<std::string>{stage.rig().hook(), file, "ether proto 0x88b5"});
    const PacketSocket socket(sender, names[0]);
    std::vector<Bytes> frames;
    for (std::uint32_t i = 0; i < kFrames; ++i) {
      frames.push_back(numbered_frame(i, 60 + i % 1400));
      socket.send(frames.back());
    }
    std::this_thread::sleep_for(Millis(1'000));
    capture.stop();
    expect_exact(capture.last_line(), file);
    EXPECT_EQ(packets_in(file), frames);
    link.reset();
    stage.expect_nothing_left();
  }
  // They come back when the namespaces go.
  sender.run(fmt::format("ip link set {} netns 1", names[0]));
  observed.run(fmt::format("ip link set {} netns 1", names[1]));
}

INSTANTIATE_TEST_SUITE_P(, Cards,
                         testing::Values(Card{.driver = "virtio_net", .native = true},
                                         Card{.driver = "virtio_net", .native = false},
                                         Card{.driver = "vmxnet3", .native = true},
                                         Card{.driver = "vmxnet3", .native = false}),
                         [](const testing::TestParamInfo<Card>& card) {
                           return fmt::format("{}_{}", card.param.driver,
                                              card.param.native ? "native" : "generic");
                         });

}  // namespace
}  // namespace xdpcap::test

// SPDX-License-Identifier: BSD-3-Clause
//
// A capture says what happens to its target: interfaces go down, are renamed and deleted, programs come and go.

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <xdpcap/kernel/program.h>

#include <optional>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

class TargetWatchTest : public EndToEndTest {};

std::string text_of(const Target& target) {
  return fmt::format("program {} (target)", program_id(target.program_fd()).value());
}

TEST_F(TargetWatchTest, TellsTheLifeOfTheTarget) {
  const Rig rig;
  const std::string name = rig.observed().name();
  const auto inside = rig.observed().enter();
  Capture capture(rig.target().hook_fd(), {rig.hook(), rig.file("out")});
  std::size_t heard = 0;
  // Waits for a sentence, which must be behind the one before.
  const auto expect = [&](const std::string& sentence) {
    const std::string line = fmt::format("xdpcap: hook {}: {}", rig.hook(), sentence);
    EXPECT_TRUE(becomes_true([&] {
      return capture.process().errors().find(line, heard) != std::string::npos;
    })) << line
        << "\nis not in\n"
        << capture.process().errors().substr(heard);
    heard = capture.process().errors().find(line, heard) + 1;
  };
  const auto run_there = [&](const std::string& command) {
    rig.observed().run(fmt::format("ip -n {} link set {}", name, command));
  };
  // Until the guardian has looked for the first time there is no "before".
  ASSERT_TRUE(becomes_true(
      [&] { return capture.process().errors().find("packets") != std::string::npos; }));
  std::this_thread::sleep_for(Millis(400));
  run_there("to_a down");
  expect("to_a is down now");
  expect(
      "no interface of this network namespace that is up runs a program that uses the hook; the capture goes "
      "on, and sees packets when one does");
  run_there("to_a name wan");
  expect("to_a is called wan now");
  run_there("wan up");
  expect("wan is up now");
  rig.sender().run(fmt::format("ip -n {} link set to_b down", rig.sender().name()));
  expect("wan has no carrier now");
  // Other programs that use the hook.
  const auto ifindex = static_cast<int>(rig.observed().left_ifindex());
  std::optional<Target> first(std::in_place, TargetOptions{.hook_fd = rig.target().hook_fd()});
  const Target second({.hook_fd = rig.target().hook_fd()});
  ASSERT_EQ(bpf_xdp_attach(ifindex, first->program_fd(), XDP_FLAGS_DRV_MODE, nullptr), 0);
  expect(fmt::format("xc0 runs {}, which uses the hook", text_of(*first)));
  ASSERT_EQ(bpf_xdp_attach(ifindex, second.program_fd(), XDP_FLAGS_DRV_MODE, nullptr), 0);
  expect(fmt::format("xc0 runs {} now, in place of {}", text_of(second), text_of(*first)));
  ASSERT_EQ(bpf_xdp_detach(ifindex, XDP_FLAGS_DRV_MODE, nullptr), 0);
  expect(fmt::format("xc0 does not run {} any more", text_of(second)));
  rig.observed().run(fmt::format("ip -n {} link del wan", name));
  expect(fmt::format("wan, which ran {}, is gone: deleted, or moved to another network namespace",
                     text_of(rig.target())));
  EXPECT_TRUE(capture.process().is_running());
  capture.stop();
}

}  // namespace
}  // namespace xdpcap::test

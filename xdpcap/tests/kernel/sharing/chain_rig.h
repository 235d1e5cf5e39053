// SPDX-License-Identifier: BSD-3-Clause
//
// A hook for captures to share, and what else may sit in its slots.

#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/program/capture_program.h"
#include "xdpcap/sharing/hook_capture.h"
#include "xdpcap/tests/kernel/bpf_fixture.h"

namespace xdpcap::test {

inline constexpr Variant kPlain{.expected_attach_type = kAttachTypeXdp, .multi_buffer = false};
inline const std::vector<Action> kAllActions(kActions.begin(), kActions.end());
inline constexpr std::uint32_t kPassSlot = 2;

/// A hook whose owner returns the packet's byte 20.
struct ChainRig {
  static constexpr std::uint32_t kVerdictOffset = 20;

  /// Sends a packet, whose verdict must be that of the target.
  void send(Action action = Action::Pass) const {
    std::vector<std::uint8_t> packet = make_packet(60);
    packet[kVerdictOffset] = static_cast<std::uint8_t>(action);
    EXPECT_EQ(test_run(target.get(), packet).action, static_cast<std::uint32_t>(action));
  }
  Result<HookCapture> capture(std::vector<Action> actions = kAllActions,
                              OnBusy on_busy = OnBusy::Chain) const {
    return HookCapture::attach(hook, constant_filter(1),
                               {.actions = std::move(actions), .counts_only = true}, on_busy);
  }
  /// A process that captures, does something more, and dies without leaving.
  void die_capturing(
      std::vector<Action> actions = kAllActions,
      const std::function<void(HookCapture&)>& then = [](HookCapture&) {}) const {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info()->result();
    const int said = test->total_part_count();
    const pid_t child = ::fork();
    if (child == 0) {
      Result<HookCapture> capture = this->capture(std::move(actions));
      if (capture) {
        then(*capture);
      }
      ::_exit(capture && test->total_part_count() == said ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }
  Chain chain() const { return std::move(*Chain::find(hook).value()); }
  std::vector<Action> filled() const {
    std::vector<Action> filled;
    std::ranges::copy_if(kActions, std::back_inserter(filled),
                         [this](Action action) { return hook.holder(action)->has_value(); });
    return filled;
  }
  /// Nothing of captures: no program in a slot, no directory.
  void expect_untouched() const {
    EXPECT_THAT(filled(), ::testing::IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(ChainDirectory::path_for(hook.path())));
  }

  BpfDirectory directory;
  UniqueFd map = make_hook();
  UniqueFd target = load_target(map.get(), {.from_offset = kVerdictOffset}, kPlain);
  Hook hook = Hook::open(directory.pin(map.get(), "hook")).value();
};

inline std::uint64_t received(const HookCapture& capture, Action action = Action::Pass) {
  return capture.counters().value()[index(action)].received;
}

/// Another tool's program, for the slot of XDPPass, that counts its packets.
struct ForeignProgram {
  explicit ForeignProgram(const ChainRig& rig, const std::string& name = "other_tool")
      : counters(create_counters().value()),
        program(load_xdp_program({.name = name, .insns = code()}).value()),
        id(program_id(program.get()).value()),
        hook_fd(rig.map.get()) {}
  std::vector<cbpfc::ebpf::Insn> code() const {
    return build_capture_program(
               constant_filter(1),
               {.action = Action::Pass, .counters_fd = counters.get(), .counts_only = true})
        .value();
  }
  void put() const { ASSERT_TRUE(put_program(hook_fd, kPassSlot, program.get())); }
  void remove() const { ASSERT_TRUE(remove_program(hook_fd, kPassSlot)); }
  std::uint64_t received() const {
    return read_counters(counters.get()).value()[kPassSlot].received;
  }

  UniqueFd counters;
  UniqueFd program;
  std::uint32_t id;
  int hook_fd;
};

}  // namespace xdpcap::test

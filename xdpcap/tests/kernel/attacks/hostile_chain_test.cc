// SPDX-License-Identifier: BSD-3-Clause
//
// A second operator makes what looks like captures on root's hook: programs called xdpcap_... and a map that names the hook.  Captures of
// earlier versions found each other by such names, and joined.  Now they must not take notice.

#include <cbpfc/ebpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xdpcap/kernel/map.h>
#include <xdpcap/kernel/program.h>
#include <xdpcap/tests/kernel/process_identity.h>

#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <thread>

#include "xdpcap/tests/kernel/attacks/attack_test.h"
#include "xdpcap/tests/kernel/attacks/old_chain.h"
#include "xdpcap/tests/kernel/attacks/operator.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::uint32_t kTargetActions = 5;
constexpr const char* kMadeUpCommand = "a capture that does not exist";

// A program that drops packets and uses `map_fd`, by which it is found.
UniqueFd load_dropping(int map_fd) {
  using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace)
  Assembly code;
  code.add_map_value(Reg::R2, map_fd, 0);
  code.add(mov(Reg::R0, static_cast<std::int32_t>(kDrop)));
  code.add(exit_insn());
  return load_xdp_program({.name = "xdpcap_pass", .insns = code.assemble().value()}).value();
}

old_chain::Member living_member() {
  const ProcessIdentity self = own_identity();
  old_chain::Member member{};
  member.state = old_chain::kEntered;
  member.pid = self.pid;
  member.start_time_ticks = self.start_time_ticks;
  member.pid_namespace = self.pid_namespace;
  member.actions = (1U << kTargetActions) - 1;
  std::strncpy(member.command_line.data(), kMadeUpCommand, member.command_line.size() - 1);
  return member;
}

/// Of the operator's process: the maps, and programs that drop in every place a packet could be sent on to.
class MadeUpChain {
 public:
  explicit MadeUpChain(std::uint32_t hook_map_id)
      : state_(std::make_unique<old_chain::State>()), hook_map_id_(hook_map_id) {}

  void make(std::uint32_t members) {
    state_fd_ =
        create_mappable_array(old_chain::kStateMapName, sizeof(old_chain::State), 1).value();
    programs_ = create_program_array(old_chain::kProgramsMapName, old_chain::kPlaces).value();
    dropping_ = load_dropping(state_fd_.get());
    for (std::uint32_t action = 0; action < kTargetActions; ++action) {
      for (std::uint32_t position = 0; position < old_chain::kPositions; ++position) {
        static_cast<void>(
            put_program(programs_.get(), old_chain::place_of(action, position), dropping_.get())
                .value());
      }
    }
    set_members(members);
  }
  void set_members(std::uint32_t members) {
    *state_ = {};
    state_->magic = old_chain::kMagic;
    state_->version = old_chain::kVersion;
    state_->hook_map_id = hook_map_id_;
    state_->programs_map_id = map_info(programs_.get())->id;
    for (std::uint32_t i = 0; i < members; ++i) {
      state_->members.at(i) = living_member();
    }
    if (members > 0) {
      state_->head.fill(1);
    }
    write();
  }
  void randomize() {
    std::mt19937 random(1);
    for (auto& numbers : state_->next) {
      std::ranges::generate(numbers, random);
    }
    std::ranges::generate(state_->head, random);
    for (std::uint32_t i = 1; i < old_chain::kMostCaptures; ++i) {
      for (std::byte& byte : std::as_writable_bytes(std::span(&state_->members.at(i), 1))) {
        byte = static_cast<std::byte>(random());
      }
    }
    write();
  }

 private:
  void write() const {
    static_cast<void>(
        put_value(state_fd_.get(), 0, std::as_bytes(std::span(state_.get(), 1))).value());
  }

  std::unique_ptr<old_chain::State> state_;
  std::uint32_t hook_map_id_;
  UniqueFd state_fd_;
  UniqueFd programs_;
  UniqueFd dropping_;
};

class HostileChain : public AttackTest {
 protected:
  void SetUp() override {
    AttackTest::SetUp();
    chain_.emplace(map_info(hook_fd())->id);
  }
  MadeUpChain& chain() { return *chain_; }

  // While the attacker is there, and after.
  void expect_capture_works() {
    Watched capture(stage());
    start_traffic();
    traffic().await_more(2'000);
    expect_captures();
    const Tally tally = stop_traffic();
    capture.expect_saw(tally);
    EXPECT_EQ(filled_slots(hook_fd()), 0U);
    start_traffic();
    traffic().await_more(1'000);
    stop_traffic();
  }
  Outcome run_detach() const { return run(xdpcap_command({"-detach", hook()})); }

 private:
  std::optional<MadeUpChain> chain_;
};

TEST_F(HostileChain, IsNotJoined) {
  const Operator attacker({[&] { chain().make(1); }});
  expect_capture_works();
}

TEST_F(HostileChain, OfManyMembersKeepsNobodyOut) {
  const Operator attacker({[&] { chain().make(old_chain::kMostCaptures); }});
  expect_capture_works();
}

TEST_F(HostileChain, OfRandomNumbersDisturbsNobody) {
  const Operator attacker({[&] {
    chain().make(1);
    chain().randomize();
  }});
  expect_capture_works();
}

TEST_F(HostileChain, IsNotShown) {
  const Operator attacker({[&] { chain().make(1); }});
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{"-status"}, {"-json", "-status"}}) {
    std::vector<std::string> arguments = options;
    arguments.push_back(hook());
    const Outcome outcome = run(xdpcap_command(arguments));
    EXPECT_EQ(outcome.end.exit_code, 0) << outcome.errors;
    EXPECT_THAT(outcome.output, Not(HasSubstr(kMadeUpCommand)));
  }
}

// The attacker's chain is the first that is looked at, and comes to life when root's captures run.
TEST_F(HostileChain, DoesNotHideCapturesFromDetach) {
  Operator attacker({[&] { chain().make(0); }, [&] { chain().set_members(1); }});
  Watched capture(stage());
  attacker.go_on();
  start_traffic();
  traffic().await_more(1'000);
  const Outcome outcome = run_detach();
  EXPECT_EQ(outcome.end.exit_code, 0) << outcome.errors;
  EXPECT_THAT(outcome.errors, Not(HasSubstr("no capture")));
  EXPECT_EQ(filled_slots(hook_fd()), 0U);
  const Ended end = capture.process().wait(Millis(3'000));
  EXPECT_TRUE(end.is_over) << "the capture goes on";
  EXPECT_EQ(end.exit_code, 0);
}

// Programs of captures that were killed with their guardians: -detach must say what it took out.
TEST_F(HostileChain, DoesNotHideRemainsFromDetach) {
  Operator attacker({[&] { chain().make(0); }, [&] { chain().set_members(1); }});
  {
    Watched capture(stage());
    const pid_t guardian = capture.guardian();
    capture.process().signal(SIGSTOP);
    ::kill(guardian, SIGKILL);
    capture.process().signal(SIGKILL);
    capture.process().wait();
  }
  attacker.go_on();
  start_traffic();
  traffic().await_more(1'000);
  EXPECT_GT(filled_slots(hook_fd()), 0U);
  const Outcome outcome = run_detach();
  EXPECT_EQ(filled_slots(hook_fd()) == 0, outcome.end.exit_code == 0) << outcome.errors;
  EXPECT_EQ(filled_slots(hook_fd()), 0U) << outcome.errors;
}

}  // namespace
}  // namespace xdpcap::test

// SPDX-License-Identifier: BSD-3-Clause
//
// What is believed of memory that anybody who may use BPF could have written.

#include "attach/chain_records.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <span>

#include "attach/chain_access.h"
#include "kernel/map.h"
#include "support/bpf_fixture.h"

namespace xdpcap {
namespace {

using chain::ChainState;
using testing::HasSubstr;

ChainMember member_with(std::string command_line, std::string filter) {
  ChainMember member;
  member.command_line = std::move(command_line);
  member.filter = std::move(filter);
  return member;
}

class ChainRecordsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

UniqueFd make_state(const std::function<void(ChainState&)>& change = {},
                    const char* name = chain::kStateMapName) {
  UniqueFd map = create_mappable_array(name, sizeof(ChainState), 1).value();
  const auto state = std::make_unique<ChainState>();
  state->magic = chain::kMagic;
  state->version = chain::kVersion;
  state->hook_map_id = 12;
  state->programs_map_id = 34;
  if (change) {
    change(*state);
  }
  EXPECT_TRUE(put_value(map.get(), 0, std::as_bytes(std::span(state.get(), 1))));
  return map;
}

TEST_F(ChainRecordsTest, AreOfOneMapOnly) {
  const ChainRecords records = ChainRecords::map(make_state().get()).value();
  EXPECT_EQ(records.hook_map_id(), 12U);
  EXPECT_EQ(records.programs_map_id(), 34U);
  EXPECT_TRUE(records.members().empty());
  const struct {
    const char* what;
    UniqueFd map;
    Errc code = Errc::InvalidArgument;
  } cases[] = {
      {"another name", make_state({}, "xdpcap_other")},
      {"another magic", make_state([](ChainState& state) { ++state.magic; })},
      {"nothing in it", create_mappable_array(chain::kStateMapName, sizeof(ChainState), 1).value()},
      {"two values", create_mappable_array(chain::kStateMapName, sizeof(ChainState), 2).value()},
      {"too small", create_mappable_array(chain::kStateMapName, 4, 1).value()},
      {"another size", create_mappable_array(chain::kStateMapName, 4096, 1).value()},
      {"not in memory", create_array(chain::kStateMapName, sizeof(ChainState), 1).value(),
       Errc::Kernel},
      {"programs", create_program_array(chain::kStateMapName, 1).value()},
      {"another version", make_state([](ChainState& state) { ++state.version; }),
       Errc::Unsupported},
  };
  for (const auto& one : cases) {
    const Result<ChainRecords> refused = ChainRecords::map(one.map.get());
    ASSERT_FALSE(refused) << one.what;
    EXPECT_EQ(refused.error().code, one.code) << one.what << ": " << refused.error().message;
  }
  EXPECT_FALSE(ChainRecords::map(STDIN_FILENO)) << "no map";
}

TEST_F(ChainRecordsTest, TellWhatWasWritten) {
  const ChainRecords records = ChainRecords::map(make_state().get()).value();
  const ChainMember written{.process = own_identity(),
                            .user_id = 1234,
                            .actions = {Action::Drop, Action::Redirect},
                            .command_line = "xdpcap a b",
                            .filter = "ip"};
  chain::Member& place = records.state().members[4];
  describe(place, written);
  EXPECT_TRUE(records.members().empty()) << "the state makes it one";
  place.state = chain::State::Entered;
  const std::vector<ChainMember> members = records.members();
  ASSERT_EQ(members.size(), 1U);
  EXPECT_EQ(members[0].position, 5U);
  EXPECT_EQ(members[0].state, chain::State::Entered);
  EXPECT_EQ(members[0].process, written.process);
  EXPECT_EQ(members[0].user_id, 1234U);
  EXPECT_EQ(members[0].told_by_pid, 0U);
  EXPECT_EQ(members[0].actions, written.actions);
  EXPECT_EQ(members[0].command_line, written.command_line);
  EXPECT_EQ(members[0].filter, written.filter);
}

TEST_F(ChainRecordsTest, TextsAreCutAndEnd) {
  const ChainRecords records = ChainRecords::map(make_state().get()).value();
  chain::Member& place = records.state().members[0];
  describe(place, member_with(std::string(1000, 'c'), std::string(1000, 'f')));
  EXPECT_EQ(records.member(1)->command_line, std::string(255, 'c'));
  EXPECT_EQ(records.member(1)->filter, std::string(199, 'f'));
  describe(place, member_with("short", ""));
  EXPECT_EQ(records.member(1)->command_line, "short") << "nothing of the longer one is left";
  EXPECT_EQ(records.member(1)->filter, "");
  place.command_line.fill('x');
  place.filter.fill('y');
  EXPECT_EQ(records.member(1)->command_line, std::string(255, 'x'));
  EXPECT_EQ(records.member(1)->filter, std::string(199, 'y'));
}

TEST_F(ChainRecordsTest, HostileNumbersAreNoMembersPlaces) {
  const ChainRecords records = ChainRecords::map(make_state().get()).value();
  for (const std::uint32_t position : {0U, chain::kMostCaptures + 1, 0xffffffffU}) {
    EXPECT_FALSE(records.member(position)) << position;
  }
  chain::Member& place = records.state().members[0];
  place.state = static_cast<chain::State>(77);
  place.actions = 0xffffffff;
  place.pid = 0xffffffff;
  place.pid_namespace = own_identity().pid_namespace;
  ASSERT_EQ(records.members().size(), 1U);
  EXPECT_EQ(records.members()[0].actions.size(), kMostActions);
  EXPECT_FALSE(is_alive(records.members()[0]));
}

TEST_F(ChainRecordsTest, WhoLives) {
  constexpr std::uint64_t kSecondNs = 1'000'000'000;
  ProcessIdentity elsewhere = own_identity();
  ++elsewhere.pid_namespace;
  ProcessIdentity earlier = own_identity();
  --earlier.start_time_ticks;
  const std::uint64_t now = monotonic_ns();
  const struct {
    const char* what;
    ProcessIdentity process;
    std::uint64_t heartbeat_ns;
    bool is_alive;
  } cases[] = {
      {"this process", own_identity(), 0, true},
      {"an earlier one with its pid", earlier, now, false},
      {"of another namespace, heard of", elsewhere, now - 9 * kSecondNs, true},
      {"of another namespace, silent", elsewhere, now - 11 * kSecondNs, false},
  };
  for (const auto& one : cases) {
    ChainMember member;
    member.process = one.process;
    member.heartbeat_ns = one.heartbeat_ns;
    EXPECT_EQ(is_alive(member), one.is_alive) << one.what;
  }
}

}  // namespace
}  // namespace xdpcap

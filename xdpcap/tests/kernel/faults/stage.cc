// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/faults/stage.h"

#include <bpf/bpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <regex>

namespace xdpcap::test {
namespace {

std::vector<std::string> command_of(const Stage& stage, const std::string& output,
                                    const std::vector<std::string>& arguments,
                                    const std::string& filter) {
  std::vector<std::string> all;
  if (output.empty()) {
    all.emplace_back("-count");
  }
  all.insert(all.end(), arguments.begin(), arguments.end());
  all.push_back(stage.rig().hook());
  if (!output.empty()) {
    all.push_back(output);
  }
  if (!filter.empty()) {
    all.push_back(filter);
  }
  return xdpcap_command(all);
}

std::optional<pid_t> first_child(pid_t pid) {
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", pid));
  pid_t child = 0;
  return children >> child ? std::optional(child) : std::nullopt;
}

}  // namespace

Stage::Stage() : hook_(Hook::open(rig_.hook()).value()) {}

Stage::~Stage() {
  EXPECT_TRUE(becomes_true([this] {
    return filled_slots(hook_fd()) == 0 && guardians().empty() && !has_chain(rig_.hook());
  })) << "something is left on the hook";
  EXPECT_EQ(filled_slots(hook_fd()), 0U);
  EXPECT_EQ(guardians(), std::vector<pid_t>{});
  EXPECT_FALSE(has_chain(rig_.hook()));
}

std::vector<ChainMember> Stage::members() const {
  const Result<std::optional<Chain>> chain = Chain::find(hook_);
  return chain && *chain ? (*chain)->members() : std::vector<ChainMember>{};
}

bool Stage::has_entered(pid_t pid) const {
  const Result<std::optional<Chain>> chain = Chain::find(hook_);
  if (!chain || !*chain) {
    return false;
  }
  constexpr std::uint32_t kOnlyOne = 0;
  std::array<std::byte, chain::kStateBytes> value{};
  chain::ChainState state{};
  if (::bpf_map_lookup_elem((*chain)->state_fd(), &kOnlyOne, value.data()) != 0) {
    return false;
  }
  std::memcpy(&state, value.data(), sizeof(state));
  return std::ranges::any_of((*chain)->members(), [&](const ChainMember& member) {
    // Its actions are written after its pid.
    return member.pid == static_cast<std::uint32_t>(pid) && !member.actions.empty() &&
           std::ranges::all_of(member.actions, [&](Action action) {
             return (state.entered[index(action)] >> member.position & 1U) != 0;
           });
  });
}

bool Stage::are_members(const std::vector<pid_t>& pids, Millis most) const {
  std::vector<pid_t> expected = pids;
  std::ranges::sort(expected);
  return becomes_true(
      [&] {
        std::vector<pid_t> there;
        for (const ChainMember& member : members()) {
          there.push_back(static_cast<pid_t>(member.pid));
        }
        std::ranges::sort(there);
        return there == expected;
      },
      most);
}

SharedCapture::SharedCapture(const Stage& stage, const std::string& output,
                             const std::vector<std::string>& arguments, const std::string& filter)
    : stage_(stage),
      counts_only_(output.empty()),
      process_(command_of(stage, output, arguments, filter)) {}

bool SharedCapture::enters(Millis most) {
  becomes_true([&] { return stage_.has_entered(pid()) || !process_.is_running(); }, most);
  note_bpf_objects(pid());
  return process_.is_running() && stage_.has_entered(pid());
}

std::optional<pid_t> SharedCapture::guardian() const {
  return first_child(pid());
}

Totals SharedCapture::stop(Millis most) {
  process_.signal(SIGINT);
  const Ended end = process_.wait(most);
  EXPECT_TRUE(end.is_over) << "it does not end";
  EXPECT_EQ(end.exit_code, 0) << process_.errors();
  return end.is_over ? totals() : Totals{};
}

void SharedCapture::kill_with_guardian() {
  process_.signal(SIGSTOP);
  if (const std::optional<pid_t> its = guardian()) {
    signal_process(*its, SIGKILL);
  }
  process_.signal(SIGKILL);
  process_.wait();
}

Totals SharedCapture::totals() const {
  if (!counts_only_) {
    const std::vector<std::string> lines = split(process_.errors(), '\n');
    return parse_totals(lines.size() < 2 ? "" : lines[lines.size() - 2]);
  }
  static const std::regex kForm("([0-9]+) packets received, ([0-9]+) matched\n");
  const std::string line = process_.output();
  std::smatch match;
  if (!std::regex_match(line, match, kForm)) {
    ADD_FAILURE() << "not a line of counts: \"" << line << '"';
    return {};
  }
  return {.received = std::stoull(match[1]), .matched = std::stoull(match[2])};
}

bool SharedCapture::says(const std::string& text, Millis most) const {
  return becomes_true([&] { return process_.errors().find(text) != std::string::npos; }, most);
}

void clean_up_with_another(const Stage& stage) {
  SharedCapture another(stage, "");
  EXPECT_TRUE(another.enters()) << another.process().errors();
  another.stop();
}

void signal_process(pid_t pid, int signal) {
  ASSERT_GT(pid, 1);
  ASSERT_EQ(::kill(pid, signal), 0);
}

void expect_exact(const Totals& totals, const Tally& tally) {
  EXPECT_EQ(tally.wrong, 0U);
  EXPECT_EQ(totals.received, tally.sent());
}

}  // namespace xdpcap::test

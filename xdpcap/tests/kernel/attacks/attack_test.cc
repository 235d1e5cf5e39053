// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/attacks/attack_test.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>

namespace xdpcap::test {
namespace {

constexpr std::size_t kSlots = 5;
constexpr std::size_t kSomePackets = 500;

std::vector<std::string> counting(const Stage& stage, std::vector<std::string> options) {
  options.insert(options.end(), {"-count", stage.rig().hook()});
  return xdpcap_command(options);
}

}  // namespace

Watched::Watched(const Stage& stage, const std::vector<std::string>& options)
    : process_(counting(stage, options)) {
  await_entry(stage);
}

Watched::Watched(const Stage& stage, const std::vector<std::string>& command, int)
    : process_(command) {
  await_entry(stage);
}

void Watched::await_entry(const Stage& stage) {
  EXPECT_TRUE(becomes_true(
      [&] { return filled_slots(stage.hook_fd()) == kSlots || !process_.is_running(); }));
  EXPECT_TRUE(process_.is_running()) << process_.errors();
  note_bpf_objects(pid());
}

pid_t Watched::guardian() const {
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", pid()));
  pid_t child = 0;
  EXPECT_TRUE(children >> child) << "no guardian";
  return child;
}

void Watched::expect_saw(const Tally& tally) {
  EXPECT_TRUE(process_.is_running()) << process_.errors();
  process_.signal(SIGINT);
  const Ended end = process_.wait(Millis(5'000));
  EXPECT_TRUE(end.is_over) << "it does not end";
  EXPECT_EQ(end.exit_code, 0) << process_.errors();
  EXPECT_EQ(received(), tally.sent()) << process_.errors();
}

std::uint64_t Watched::received() const {
  static const std::regex kForm("([0-9]+) packets received, ([0-9]+) matched\n");
  const std::string line = process_.output();
  std::smatch match;
  if (!std::regex_match(line, match, kForm)) {
    ADD_FAILURE() << "not a line of counts: \"" << line << '"';
    return 0;
  }
  return std::stoull(match[1]);
}

void AttackTest::SetUp() {
  ResourceFaults::SetUp();
  stage_.emplace();
}

void AttackTest::TearDown() {
  if (traffic_) {
    stop_traffic();
  }
  traffic_.reset();
  stage_->expect_nothing_left();
  EXPECT_FALSE(std::filesystem::exists(shared_directory()));
  empty_slots(hook_fd());  // of a test that has failed
  stage_.reset();
  ResourceFaults::TearDown();
}

void AttackTest::start_traffic() {
  traffic_.emplace(stage_->rig());
}

Tally AttackTest::stop_traffic() {
  const Tally tally = traffic_->stop();
  EXPECT_EQ(tally.wrong, 0U) << "of " << tally.sent();
  EXPECT_GT(tally.sent(), 0U);
  return tally;
}

std::vector<std::string> AttackTest::some_packets(std::vector<std::string> options) const {
  options.insert(options.end(),
                 {"-c", std::to_string(kSomePackets), hook(), stage_->file("some.pcapng")});
  return xdpcap_command(options);
}

void AttackTest::expect_captures(const std::vector<std::string>& command) const {
  const std::string file = stage_->file("some.pcapng");
  std::filesystem::remove(file);
  const Outcome outcome = run(command);
  EXPECT_TRUE(outcome.end.is_over);
  EXPECT_EQ(outcome.end.exit_code, 0) << outcome.errors;
  if (std::filesystem::exists(file)) {
    EXPECT_EQ(packets_in(file).size(), kSomePackets);
  } else {
    ADD_FAILURE() << "no file; " << outcome.errors;
  }
}

}  // namespace xdpcap::test

// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/faults/coming_and_going.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace xdpcap::test {
namespace {

// Of the frames that traffic sends; of some of them nothing matches, or a part.
constexpr std::array kFilters = {"",    "len = 60",      "len = 100",
                                 "ip6", "udp[8] = 0x32", "udp[8] > 0x31"};
constexpr std::array kSnapLengths = {"1", "64", "65535"};
constexpr std::array kBuffers = {"4096", "64K", "1M"};

std::uint64_t sum_of(const Tally& tally, const std::vector<std::uint32_t>& actions) {
  std::uint64_t sum = 0;
  for (const std::uint32_t action : actions) {
    sum += tally.by_action[action];
  }
  return sum;
}

}  // namespace

void ComingAndGoing::start() {
  One one;
  std::string actions;
  const std::uint32_t mask = choose(3) == 0 ? 31 : 1 + choose(31);
  for (std::uint32_t action = 0; action < kTrafficActions; ++action) {
    if ((mask >> action & 1U) != 0) {
      one.actions.push_back(action);
      actions += (actions.empty() ? "" : ",") + std::to_string(action);
    }
  }
  std::vector<std::string> arguments = {"-actions", actions};
  switch (choose(3)) {
    case 0: break;
    case 1: one.file = "/dev/null"; break;
    default: one.file = stage_.rig().file(fmt::format("{}.pcapng", figures_.started));
  }
  if (!one.file.empty()) {
    const std::vector<std::string> more = {"-s", kSnapLengths[choose(kSnapLengths.size())], "-B",
                                           kBuffers[choose(kBuffers.size())]};
    arguments.insert(arguments.end(), more.begin(), more.end());
    if (choose(3) == 0) {
      arguments.insert(arguments.end(), {"-sample", "10"});
    }
  }
  one.before = traffic_.tally();
  one.capture = std::make_unique<SharedCapture>(stage_, one.file, arguments,
                                                kFilters[choose(kFilters.size())]);
  EXPECT_TRUE(one.capture->enters(Millis(30'000))) << one.capture->process().errors();
  one.entered = traffic_.tally();
  there_.push_back(std::move(one));
  ++figures_.started;
  figures_.most = std::max(figures_.most, there_.size());
}

void ComingAndGoing::stop(One& one) {
  const Tally told = traffic_.tally();
  const Totals totals = one.capture->stop(Millis(10'000));
  const Tally over = traffic_.tally();
  EXPECT_GE(totals.received, sum_of(told, one.actions) - sum_of(one.entered, one.actions));
  EXPECT_LE(totals.received, sum_of(over, one.actions) - sum_of(one.before, one.actions));
  if (!one.file.empty()) {
    expect_balance(totals);
  }
  const std::string said = one.capture->process().errors();
  for (const char* const words :
       {"not seen from here on", "taken out", "please report", "try again"}) {
    EXPECT_EQ(said.find(words), std::string::npos) << said;
  }
  ++figures_.stopped;
}

void ComingAndGoing::kill(One& one, bool with_guardian) {
  if (with_guardian) {
    one.capture->kill_with_guardian();
    ++figures_.killed_with_guardian;
    return;
  }
  const std::optional<pid_t> guardian = one.capture->guardian();
  one.capture->process().signal(SIGKILL);
  one.capture->process().wait();
  // Its place is taken until its guardian has ended.
  EXPECT_TRUE(!guardian || becomes_true(
                               [&] {
                                 const std::vector<pid_t> there = stage_.guardians();
                                 return std::ranges::find(there, *guardian) == there.end();
                               },
                               Millis(1'000)));
  ++figures_.killed;
}

ComingAndGoing::One ComingAndGoing::take() {
  const auto which = there_.begin() + choose(static_cast<std::uint32_t>(there_.size()));
  One one = std::move(*which);
  there_.erase(which);
  return one;
}

void ComingAndGoing::step() {
  // Up to the most, then down to two.
  const bool is_full = there_.size() >= options_.most;
  if (!is_full && (there_.size() < 2 || choose(5) < 3)) {
    start();
    return;
  }
  One one = take();
  switch (choose(6)) {
    case 0: kill(one, false); break;
    case 1: kill(one, true); break;
    default: stop(one);
  }
  if (!one.file.starts_with("/dev/") && !one.file.empty()) {
    std::filesystem::remove(one.file);
  }
}

void ComingAndGoing::end() {
  while (!there_.empty()) {
    One one = take();
    stop(one);
  }
}

}  // namespace xdpcap::test

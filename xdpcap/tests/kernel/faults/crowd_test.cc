// SPDX-License-Identifier: BSD-3-Clause
//
// Two to eight captures with different filters, actions, snap lengths and outputs, coming, going and being killed at random, beside one
// that is there all the time.  XDPCAP_FAULTS_SECONDS says for how long.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "xdpcap/tests/kernel/faults/coming_and_going.h"

namespace xdpcap::test {
namespace {

using std::chrono::steady_clock;

std::chrono::seconds duration() {
  constexpr int kUsual = 12;
  const char* const given = std::getenv("XDPCAP_FAULTS_SECONDS");  // NOLINT(concurrency-mt-unsafe)
  return std::chrono::seconds(given != nullptr ? std::atoi(given) : kUsual);
}

class Crowd : public FaultTest {};

TEST_F(Crowd, ChangesNoVerdictAndNoNumbersOfOthers) {
  const Stage stage;
  SharedCapture witness(stage, "");
  ASSERT_TRUE(witness.enters());
  Traffic traffic(stage.rig());
  ComingAndGoing crowd(stage, traffic, {.most = 7, .seed = 29});
  const auto start = steady_clock::now();
  const CrowdFigures& figures = crowd.figures();
  const auto have_been_killed = [&] { return figures.killed + figures.killed_with_guardian > 0; };
  // Slow machines take longer until the first is killed.
  while (steady_clock::now() < start + duration() ||
         (!have_been_killed() && steady_clock::now() < start + duration() * patience())) {
    crowd.step();
  }
  crowd.end();
  clean_up_with_another(stage);
  EXPECT_TRUE(stage.are_members({witness.pid()}, Millis(3'000)));
  const Tally tally = traffic.stop();
  expect_exact(witness.stop(), tally);
  fmt::print(
      "{} started, {} at a time at most, {} stopped, {} killed, {} killed with guardian; {} frames, {} wrong\n",
      figures.started, figures.most, figures.stopped, figures.killed, figures.killed_with_guardian,
      tally.sent(), tally.wrong);
  EXPECT_TRUE(have_been_killed());
}

}  // namespace
}  // namespace xdpcap::test

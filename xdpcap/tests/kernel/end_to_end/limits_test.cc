// SPDX-License-Identifier: BSD-3-Clause
//
// What a capture holds back in the kernel, and counting without recording, at full speed: exact, and every packet
// in one of the numbers.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/flood.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

constexpr std::uint32_t kFrames = 1'000'000;

class Limits : public EndToEndTest {};

void print_rate(const char* what, const Flooded& flooded) {
  fmt::print("{}: {:.2f} million frames a second through the target\n", what,
             flooded.million_a_second());
}

/// Expects that nothing is unaccounted for.
void expect_balance(const Totals& totals, std::uint64_t arrived) {
  EXPECT_EQ(totals.received, arrived);
  EXPECT_EQ(totals.matched, arrived);
  EXPECT_EQ(totals.matched, totals.held_back + totals.written + totals.lost);
}

TEST_F(Limits, ACountIsExactAndEndsTheCapture) {
  const Rig rig;
  rig.target().want(kDrop);
  const std::string file = rig.file("out.pcapng");
  for (const std::uint32_t packets : {1U, 7U, 1000U}) {
    SCOPED_TRACE(packets);
    Capture capture(rig.target().hook_fd(), {"-c", std::to_string(packets), rig.hook(), file});
    const Flood flood(rig);
    const Ended ended = capture.wait(Millis(10'000));
    EXPECT_EQ(ended.exit_code, 0);
    const Totals totals = parse_totals(capture.last_line());
    EXPECT_EQ(totals.written, packets);
    EXPECT_EQ(totals.matched, totals.held_back + totals.written + totals.lost);
    EXPECT_EQ(packets_in(file).size(), packets);
  }
}

TEST_F(Limits, ACountIsReachedThoughPacketsAreLost) {
  const Rig rig;
  rig.target().want(kDrop);
  const std::string file = rig.file("out.pcapng");
  constexpr std::uint32_t kPackets = 200'000;
  Capture capture(rig.target().hook_fd(),
                  {"-buffer", "4096", "-c", std::to_string(kPackets), rig.hook(), file});
  const Flood flood(rig);
  EXPECT_EQ(capture.wait(Millis(30'000)).exit_code, 0);
  const Totals totals = parse_totals(capture.last_line());
  EXPECT_GT(totals.lost, 0U) << "the ring was not small enough for this test";
  EXPECT_EQ(totals.written, kPackets);
  EXPECT_EQ(totals.matched, totals.held_back + totals.written + totals.lost);
  EXPECT_EQ(count_with_tcpdump(file), kPackets);
}

TEST_F(Limits, ASampleIsOneInNAtRandom) {
  const Rig rig;
  rig.target().want(kDrop);
  const std::string file = rig.file("out.pcapng");
  Capture capture(rig.target().hook_fd(), {"-sample", "100", rig.hook(), file});
  const Flooded flooded = flood(rig, kFrames);
  print_rate("-sample 100", flooded);
  capture.stop();
  const Totals totals = parse_totals(capture.last_line());
  expect_balance(totals, flooded.arrived);
  EXPECT_EQ(totals.lost, 0U);
  const double expected = static_cast<double>(flooded.arrived) / 100;
  EXPECT_NEAR(static_cast<double>(totals.written), expected, 6 * std::sqrt(expected));
  EXPECT_EQ(count_with_tcpdump(file), totals.written);
  const std::vector<FileStatistics> statistics = statistics_in_large(file);
  ASSERT_EQ(statistics.size(), 5U);
  EXPECT_EQ(statistics[kDrop].accepted, totals.matched);
  EXPECT_EQ(statistics[kDrop].delivered, totals.written);
}

TEST_F(Limits, ARateIsNeverExceeded) {
  using std::chrono::steady_clock;
  const Rig rig;
  rig.target().want(kDrop);
  const std::string file = rig.file("out.pcapng");
  constexpr double kRate = 10'000;
  const auto start = steady_clock::now();
  Capture capture(rig.target().hook_fd(), {"-rate", "10000", rig.hook(), file});
  const Flooded flooded = flood(rig, 3 * kFrames);
  print_rate("-rate 10000", flooded);
  const std::chrono::duration<double> taken = steady_clock::now() - start;
  capture.stop();
  const Totals totals = parse_totals(capture.last_line());
  expect_balance(totals, flooded.arrived);
  EXPECT_GT(totals.held_back, 0U);
  EXPECT_LE(static_cast<double>(totals.written), kRate * taken.count() + kRate / 10 + 1);
  EXPECT_GE(static_cast<double>(totals.written), kRate / 10);
}

TEST_F(Limits, ARateOfOneASecond) {
  const Rig rig;
  const std::string file = rig.file("out.pcapng");
  Capture capture(rig.target().hook_fd(), {"-rate", "1", rig.hook(), file});
  // Each action has a rate of its own.
  rig.sending().send({order_frame(1, 1), order_frame(1, 2), order_frame(2, 3), order_frame(2, 4)});
  EXPECT_TRUE(becomes_true([&] { return rig.arrived_frames() >= 4; }));
  capture.stop();
  EXPECT_EQ(capture.last_line(), "4 packets received, 4 matched, 2 held back, 2 written, 0 lost");
  EXPECT_EQ(packets_in(file), (std::vector<Bytes>{order_frame(1, 1), order_frame(2, 3)}));
}

TEST_F(Limits, TheFirstPacketsOfEachFlow) {
  const Rig rig;
  rig.target().want(kDrop);
  const std::string file = rig.file("out.pcapng");
  Capture capture(rig.target().hook_fd(), {"-per-flow", "2", rig.hook(), file});
  // Two flows: EtherTypes.
  std::vector<Bytes> sent;
  for (std::uint32_t i = 0; i < 6; ++i) {
    sent.push_back(numbered_frame(i, 100));
    sent.back()[13] = static_cast<std::uint8_t>(i % 2);
  }
  rig.sending().send(sent);
  EXPECT_TRUE(becomes_true([&] { return rig.arrived_frames() >= 6; }));
  capture.stop();
  EXPECT_EQ(capture.last_line(), "6 packets received, 6 matched, 2 held back, 4 written, 0 lost");
  EXPECT_EQ(packets_in(file), (std::vector<Bytes>(sent.begin(), sent.begin() + 4)));
}

TEST_F(Limits, AFloodIsOneFlow) {
  const Rig rig;
  rig.target().want(kDrop);
  Capture capture(rig.target().hook_fd(),
                  {"-per-flow", "1000", rig.hook(), rig.file("out.pcapng")});
  const Flooded flooded = flood(rig, kFrames);
  capture.stop();
  const Totals totals = parse_totals(capture.last_line());
  expect_balance(totals, flooded.arrived);
  EXPECT_EQ(totals.written + totals.lost, 1000U);
}

TEST_F(Limits, CountingRecordsNothingAndCountsAll) {
  const Rig rig;
  rig.target().want(kDrop);
  Capture capture(rig.target().hook_fd(), {"-count", rig.hook(), "len", "=", "64"});
  const Flooded flooded = flood(rig, kFrames);
  print_rate("-count", flooded);
  rig.sending().send({numbered_frame(1, 200)});
  EXPECT_TRUE(becomes_true([&] { return rig.arrived_frames() > flooded.arrived; }));
  capture.stop();
  EXPECT_EQ(capture.process().output(), std::to_string(flooded.arrived + 1) +
                                            " packets received, " +
                                            std::to_string(flooded.arrived) + " matched\n");
}

}  // namespace
}  // namespace xdpcap::test

// SPDX-License-Identifier: BSD-3-Clause
//
// Accounting at full speed: millions of 64-byte frames, and every one of them is in exactly one of
// the numbers.

#include "xdpcap/tests/kernel/end_to_end/flood.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <thread>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

constexpr std::uint32_t kFrames = 2'000'000;
constexpr std::uint32_t kFewerFrames = 300'000;  // whose counts tshark reads one by one

class FloodAccounting : public EndToEndTest {};

void print_rates(const char* what, const Flooded& flooded, const Totals& totals) {
  fmt::print(
      "{}: {:.2f} million frames a second through the target, {} of {} matched lost ({:.1f} %)\n",
      what, flooded.million_a_second(), totals.lost, totals.matched,
      100.0 * static_cast<double>(totals.lost) / static_cast<double>(totals.matched));
}

// Expects every equation between the numbers of a capture that saw `arrived` dropped frames.
void expect_balance(const std::string& file, const Totals& totals, std::uint64_t arrived) {
  EXPECT_EQ(totals.received, arrived);
  EXPECT_EQ(totals.matched, arrived);
  EXPECT_EQ(totals.matched, totals.written + totals.lost);
  EXPECT_EQ(count_with_tcpdump(file), totals.written);
  std::vector<FileStatistics> expected(5);
  expected[kDrop] = {.received = arrived,
                     .accepted = totals.matched,
                     .dropped = totals.lost,
                     .delivered = totals.written};
  EXPECT_EQ(statistics_in_large(file), expected);
}

TEST_F(FloodAccounting, WithoutACaptureForComparison) {
  const Rig rig;
  rig.target().want(kDrop);
  note_bpf_objects(::getpid());
  const Flooded flooded = flood(rig, kFrames);
  EXPECT_GT(flooded.arrived, kFrames / 10);
  fmt::print("no capture: {:.2f} million frames a second through the target\n",
             flooded.million_a_second());
}

TEST_F(FloodAccounting, OfACaptureToMemoryIsExact) {
  const Rig rig;
  rig.target().want(kDrop);
  const WorkDirectory memory(2ULL << 30U);
  const std::string file = memory.file("out.pcapng");
  Capture capture(rig.target().hook_fd(), {rig.hook(), file});
  const Flooded flooded = flood(rig, kFrames);
  capture.stop();
  const Totals totals = parse_totals(capture.last_line());
  print_rates("capture of everything", flooded, totals);
  expect_balance(file, totals, flooded.arrived);
}

TEST_F(FloodAccounting, OfACaptureThatLosesManyIsExact) {
  const Rig rig;
  rig.target().want(kDrop);
  const WorkDirectory memory(2ULL << 30U);
  const std::string file = memory.file("out.pcapng");
  Capture capture(rig.target().hook_fd(), {"-buffer", "4096", "-snaplen", "64", rig.hook(), file});
  const Flooded flooded = flood(rig, kFewerFrames);
  capture.stop();
  const Totals totals = parse_totals(capture.last_line());
  print_rates("capture with a tiny ring", flooded, totals);
  expect_balance(file, totals, flooded.arrived);
  EXPECT_GT(totals.lost, 0U) << "the ring was not small enough for this test";
  // What was lost behind the last packet is in no packet's count.
  std::uint64_t lost_before_packets = 0;
  for (const std::string& count : fields_with_tshark(file, {"frame.drop_count"})) {
    lost_before_packets += count.empty() ? 0 : std::stoull(count);
  }
  EXPECT_GT(lost_before_packets, 0U);
  EXPECT_LE(lost_before_packets, totals.lost);
}

// The reader is stopped for two seconds of a flood: its rings fill up, and what they cannot hold is counted.
TEST_F(FloodAccounting, OfACaptureThatIsStoppedForSecondsIsExact) {
  const Rig rig;
  rig.target().want(kDrop);
  const WorkDirectory memory(2ULL << 30U);
  const std::string file = memory.file("out.pcapng");
  Capture capture(rig.target().hook_fd(), {rig.hook(), file});
  std::thread stopping([&] {
    capture.process().signal(SIGSTOP);
    std::this_thread::sleep_for(Millis(2'000));
    capture.process().signal(SIGCONT);
  });
  const Flooded flooded = flood(rig, kFrames);
  stopping.join();
  const Flooded more = flood(rig, kFewerFrames);
  capture.stop();
  const Totals totals = parse_totals(capture.last_line());
  expect_balance(file, totals, flooded.arrived + more.arrived);
  EXPECT_GT(totals.lost, 0U);
  EXPECT_GT(totals.written, 0U);
}

}  // namespace
}  // namespace xdpcap::test

// SPDX-License-Identifier: BSD-3-Clause
//
// How a capture ends: politely, by the signals that mean "stop"; and by SIGKILL, at any moment of a
// flood, which leaves a file that every reader takes without a complaint.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <random>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/flood.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

class Endings : public EndToEndTest {};

TEST_F(Endings, BySignalAreCleanAndComplete) {
  const Rig rig;
  const PacketSocket delivered = rig.delivered();
  const std::vector<Bytes> frames = {order_frame(1, 1), order_frame(1, 2), order_frame(2, 3)};
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    SCOPED_TRACE(signal);
    Capture capture(rig.target().hook_fd(), {rig.hook(), rig.file("out.pcapng")});
    rig.sending().send(frames);
    EXPECT_EQ(delivered.receive(1).size(), 1U);
    capture.stop(signal);  // with what has just been captured not yet in the file
    EXPECT_EQ(capture.last_line(), "3 packets received, 3 matched, 3 written, 0 lost");
    EXPECT_EQ(packets_in(rig.file("out.pcapng")), frames);
    EXPECT_EQ(statistics_in(rig.file("out.pcapng")),
              (std::vector<FileStatistics>{{}, {2, 2, 0, 2}, {1, 1, 0, 1}, {}, {}}));
  }
}

TEST_F(Endings, InTheMiddleOfAFloodLoseCountOfNothing) {
  const Rig rig;
  rig.target().want(1);
  for (int i = 0; i < 10; ++i) {
    SCOPED_TRACE(i);
    const Flood flood(rig);
    Capture capture(rig.target().hook_fd(), {rig.hook(), rig.file("out.pcapng")});
    const std::uint64_t arrived = rig.arrived_frames();
    EXPECT_TRUE(becomes_true([&] { return rig.arrived_frames() > arrived + 1000; }));
    capture.stop();  // its exit code is 1 when matched is not written + lost
    const Totals totals = parse_totals(capture.last_line());
    EXPECT_GT(totals.received, 0U);
    EXPECT_EQ(totals.matched, totals.received);
    EXPECT_EQ(totals.matched, totals.written + totals.lost);
    EXPECT_EQ(count_with_tcpdump(rig.file("out.pcapng")), totals.written);
  }
}

TEST_F(Endings, ByKillAtAnyMomentLeaveAReadableFile) {
  constexpr int kKills = 20;
  constexpr int kEvery = 5;  // tshark is slow
  const Rig rig;
  rig.target().want(1);
  const int hook = rig.target().hook_fd();
  std::mt19937 random(20);
  std::uniform_int_distribution<int> moments_us(0, 40'000);
  std::uint64_t packets = 0;
  for (int i = 0; i < kKills; ++i) {
    SCOPED_TRACE(i);
    const std::string file = rig.file(fmt::format("{}.pcapng", i));
    {
      const Flood flood(rig);
      Capture capture(hook, {"-q", rig.hook(), file});
      // An empty file is none; the header follows the slots at once.
      EXPECT_TRUE(becomes_true([&] { return std::filesystem::file_size(file) > 0; }));
      std::this_thread::sleep_for(std::chrono::microseconds(moments_us(random)));
      capture.process().signal(SIGKILL);
      EXPECT_EQ(capture.process().wait().signal, SIGKILL);
      EXPECT_TRUE(becomes_true([&] { return filled_slots(hook) == 0; }, Millis(1'000)))
          << "its guardian has not emptied them";
    }
    const std::uint64_t counted = count_with_tcpdump(file);
    if (i % kEvery == 0) {
      EXPECT_EQ(fields_with_tshark(file, {"frame.len"}), std::vector<std::string>(counted, "200"));
    }
    packets += counted;
  }
  EXPECT_GT(packets, 1000U);
  std::printf("%d killed captures left %lu packets\n", kKills, static_cast<unsigned long>(packets));
}

}  // namespace
}  // namespace xdpcap::test

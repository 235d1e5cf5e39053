// SPDX-License-Identifier: BSD-3-Clause
//
// The loop with a ring in memory, straight into the file.

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <thread>

#include "xdpcap/tests/capture/loop_stage.h"

namespace xdpcap {
namespace {

using CaptureLoopTest = test::LoopStage;
using test::Pipe;

TEST_F(CaptureLoopTest, WritesWhatIsThereWhenStopped) {
  add(Action::Pass, 30);
  add(Action::Drop, 10);
  add(Action::Pass, 20);
  source_.now[index(Action::Pass)].received += 5;
  signal();
  const CaptureSummary summary = run();
  EXPECT_EQ(summary.end, CaptureEnd::Signal);
  EXPECT_FALSE(summary.error);
  EXPECT_TRUE(source_.is_detached);
  EXPECT_TRUE(sink_.is_finished);
  EXPECT_EQ(summary.totals[index(Action::Drop)],
            (PacketTotals{.received = 1, .matched = 1, .written = 1}));
  EXPECT_EQ(summary.totals[index(Action::Pass)],
            (PacketTotals{.received = 7, .matched = 2, .written = 2}));
  EXPECT_TRUE(sum(summary.totals).is_balanced());
  const std::vector<test::WalkedPacket> written = packets();
  ASSERT_EQ(written.size(), 3U);
  EXPECT_EQ(written[0].interface, 0U);
  EXPECT_LT(written[0].time_ns, written[1].time_ns);
  EXPECT_LT(written[1].time_ns, written[2].time_ns);
  EXPECT_EQ(statistics_blocks(), 2U);
  EXPECT_EQ(ring_.consumer, ring_.producer);
}

TEST_F(CaptureLoopTest, EndsWhenItHasAsManyAsWereAskedFor) {
  options_.most_packets = 3;
  for (int i = 0; i < 3; ++i) {
    add(Action::Drop);
  }
  source_.now[index(Action::Drop)].matched += 10;
  source_.now[index(Action::Drop)].held_back = 10;
  const CaptureSummary summary = run();  // without a signal
  EXPECT_EQ(summary.end, CaptureEnd::Enough);
  EXPECT_TRUE(source_.is_detached);
  EXPECT_EQ(summary.totals[index(Action::Drop)],
            (PacketTotals{.received = 3, .matched = 13, .held_back = 10, .written = 3}));
  EXPECT_TRUE(sum(summary.totals).is_balanced());
  EXPECT_EQ(packets().size(), 3U);
}

TEST_F(CaptureLoopTest, AFailureOutranksHavingEnough) {
  options_.most_packets = 1;
  add(Action::Drop);
  source_.fails = true;
  EXPECT_EQ(run().end, CaptureEnd::Failed);
}

TEST_F(CaptureLoopTest, WritesWhatArrivesUntilDetached) {
  source_.at_detach = [this] {
    for (int i = 0; i < 500; ++i) {
      add(Action::Drop, UINT64_MAX);  // younger than any look-back
    }
    source_.now[index(Action::Drop)].matched += 2;
    source_.now[index(Action::Drop)].lost += 2;
  };
  signal();
  const CaptureSummary summary = run();
  EXPECT_EQ(summary.end, CaptureEnd::Signal);
  EXPECT_EQ(sum(summary.totals),
            (PacketTotals{.received = 500, .matched = 502, .written = 500, .lost = 2}));
  EXPECT_TRUE(sum(summary.totals).is_balanced());
  EXPECT_EQ(packets().size(), 500U);
}

// A batch ends after a quarter of the ring, 256 of these records.
TEST_F(CaptureLoopTest, TheOldestPacketOfTheNextBatchIsWrittenInItsPlace) {
  const auto add_swapped = [this](std::uint64_t first_ktime_ns) {
    for (std::uint64_t i = 0; i < 256; ++i) {
      add(Action::Drop, first_ktime_ns + 10 * i);
    }
    add(Action::Drop, first_ktime_ns + 10 * 255 - 5);
  };
  add_swapped(1'000);
  source_.at_detach = [&] { add_swapped(10'000); };
  signal();
  const CaptureSummary summary = run();
  EXPECT_TRUE(sum(summary.totals).is_balanced());
  const std::vector<test::WalkedPacket> written = packets();
  EXPECT_EQ(written.size(), 514U);
  EXPECT_TRUE(std::ranges::is_sorted(written, {}, &test::WalkedPacket::time_ns));
}

TEST_F(CaptureLoopTest, AQuietRingIsLookedAtWithinATenthOfASecond) {
  options_.flush = true;
  std::uint64_t added_at_ns = 0;
  std::uint64_t written_at_ns = 0;
  Result<PcapngWriter> writer = PcapngWriter::start(sink_, section_);
  std::thread traffic([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    added_at_ns = time_.monotonic_ns();
    ring_.add(test::make_record({.ktime_ns = 1, .captured_bytes = 16, .action = 1}));
  });
  sink_.before_write = [&] {
    if (written_at_ns == 0) {
      written_at_ns = time_.monotonic_ns();
      signal();
    }
  };
  source_.now[1] = {.received = 1, .matched = 1, .lost = 0};
  const CaptureSummary summary = run_capture(source_, readers_, *writer, sink_, time_, options_);
  traffic.join();
  EXPECT_TRUE(sum(summary.totals).is_balanced());
  EXPECT_LT(written_at_ns - added_at_ns, 150'000'000U) << "100 ms, and some for a busy machine";
}

TEST_F(CaptureLoopTest, ABusyRecordDoesNotMakeItSpin) {
  const RingPosition busy = ring_.reserve(test::make_record({.captured_bytes = 16, .action = 1}));
  // Always readable, as the kernel's ring is while it holds anything.
  const std::uint64_t one = 1;
  ASSERT_EQ(::write(ring_event_.get(), &one, sizeof(one)), 8);
  std::thread stop([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    signal();
  });
  source_.at_detach = [&] { ring_.submit(busy); };
  source_.now[1] = {.received = 1, .matched = 1, .lost = 0};
  timespec before{};
  timespec after{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
  const CaptureSummary summary = run();
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
  stop.join();
  EXPECT_TRUE(sum(summary.totals).is_balanced());
  EXPECT_EQ(sum(summary.totals).written, 1U);
  const auto used_ns =
      (after.tv_sec - before.tv_sec) * 1'000'000'000 + after.tv_nsec - before.tv_nsec;
  EXPECT_LT(used_ns, 100'000'000) << "half of the time it ran; a thousand looks take a few ms";
}

TEST_F(CaptureLoopTest, AFailingOutputStopsAndEverythingIsCounted) {
  for (int i = 0; i < 300; ++i) {
    add(Action::Drop);
  }
  options_.flush = true;
  sink_.most_bytes = 4000;
  const CaptureSummary summary = run();
  EXPECT_EQ(summary.end, CaptureEnd::Failed);
  ASSERT_TRUE(summary.error);
  EXPECT_EQ(summary.error->sys_errno, ENOSPC);
  EXPECT_TRUE(source_.is_detached);
  EXPECT_TRUE(sink_.is_finished);
  const PacketTotals all = sum(summary.totals);
  EXPECT_TRUE(all.is_balanced());
  EXPECT_GT(all.unwritten, 0U);
  EXPECT_EQ(all.written, packets().size());
  EXPECT_EQ(ring_.consumer, ring_.producer);
}

// More than the writer buffers, so that it is a packet that meets the failure, and not the flush of each second.
TEST_F(CaptureLoopTest, AnOutputThatFailsInTheMiddleOfABatchStops) {
  constexpr std::uint64_t kPackets = 3'000;
  test::FakeRing ring(4 << 20);
  const RecordReaders readers = test::readers_of(ring);
  for (std::uint64_t i = 0; i < kPackets; ++i) {
    ring.add(test::make_record({.ktime_ns = 1, .captured_bytes = 1000, .action = 1}));
  }
  source_.now[index(Action::Drop)] = {.received = kPackets, .matched = kPackets};
  Result<PcapngWriter> writer = PcapngWriter::start(sink_, section_);
  ASSERT_TRUE(writer);
  sink_.most_bytes = (1 << 20) + (1 << 19);
  std::jthread otherwise([this](const std::stop_token& is_over) {
    for (int i = 0; i < 50 && !is_over.stop_requested(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    signal();
  });
  const CaptureSummary summary = run_capture(source_, readers, *writer, sink_, time_, options_);
  otherwise.request_stop();
  EXPECT_EQ(summary.end, CaptureEnd::Failed);
  EXPECT_TRUE(summary.error);
  const PacketTotals all = sum(summary.totals);
  EXPECT_TRUE(all.is_balanced());
  EXPECT_EQ(all.written, packets().size());
  EXPECT_GT(all.written, 0U);
  EXPECT_EQ(all.written + all.unwritten, kPackets);
}

TEST_F(CaptureLoopTest, ABrokenPipeIsANormalEnd) {
  add(Action::Drop);
  options_.flush = true;
  sink_.most_bytes = 0;
  sink_.error = EPIPE;
  Result<PcapngWriter> writer = PcapngWriter::start(sink_, section_);
  ASSERT_FALSE(writer);
  sink_.most_bytes = 300;
  for (int i = 0; i < 10; ++i) {
    add(Action::Drop, 1, 100);
  }
  const CaptureSummary summary = run();
  EXPECT_EQ(summary.end, CaptureEnd::OutputClosed);
  EXPECT_FALSE(summary.error);
  EXPECT_TRUE(sum(summary.totals).is_balanced());
}

TEST_F(CaptureLoopTest, AReaderThatGoesIsNoticedWithoutPackets) {
  Pipe output;
  options_.output_fd = output.write.get();
  output.read.reset();
  const CaptureSummary summary = run();
  EXPECT_EQ(summary.end, CaptureEnd::OutputClosed);
  EXPECT_TRUE(source_.is_detached);
  EXPECT_EQ(statistics_blocks(), 0U);
}

TEST_F(CaptureLoopTest, AStuckOutputIsGivenUp) {
  add(Action::Drop);
  options_.flush = true;
  sink_.error = EINTR;
  sink_.before_write = [this] { sink_.most_bytes = 0; };
  Result<PcapngWriter> writer = PcapngWriter::start(sink_, section_);
  ASSERT_FALSE(writer);
  sink_.before_write = nullptr;
  sink_.most_bytes = 300;
  for (int i = 0; i < 10; ++i) {
    add(Action::Drop, 1, 100);
  }
  const CaptureSummary summary = run();
  EXPECT_EQ(summary.end, CaptureEnd::OutputStuck);
  EXPECT_TRUE(sum(summary.totals).is_balanced());
  EXPECT_GT(sum(summary.totals).unwritten, 0U);
}

// As timeout(1) stops a program: it signals the process, then its group.
TEST_F(CaptureLoopTest, ASecondSignalCostsNothingWhileTheOutputTakesAll) {
  source_.at_detach = [this] {
    for (int i = 0; i < 500; ++i) {
      add(Action::Drop);
    }
    signal();
  };
  signal();
  const CaptureSummary summary = run();
  EXPECT_EQ(summary.end, CaptureEnd::Signal);
  EXPECT_EQ(sum(summary.totals).written, 500U);
  EXPECT_TRUE(sum(summary.totals).is_balanced());
  EXPECT_EQ(ring_.consumer, ring_.producer);
}

TEST_F(CaptureLoopTest, CountersThatCannotBeReadStopIt) {
  options_.readers.once_a_second = [](const CaptureStatistics&) {};
  source_.fails = true;
  const CaptureSummary summary = run();
  EXPECT_EQ(summary.end, CaptureEnd::Failed);
  ASSERT_TRUE(summary.error);
  EXPECT_EQ(summary.error->message, "read counters: gone");
  EXPECT_TRUE(source_.is_detached);
}

TEST_F(CaptureLoopTest, TotalsAreKnownOnlyIfTheCountersCanBeReadAtTheEnd) {
  for (const bool fails : {false, true}) {
    source_.fails = fails;
    signal();
    EXPECT_EQ(run().are_totals_known, !fails);
  }
}

TEST_F(CaptureLoopTest, AFailureToCloseIsReported) {
  sink_.finish_error = EIO;
  signal();
  const CaptureSummary summary = run();
  EXPECT_EQ(summary.end, CaptureEnd::Failed);
  ASSERT_TRUE(summary.error);
  EXPECT_EQ(summary.error->sys_errno, EIO);
}

TEST_F(CaptureLoopTest, PacketsThatDisappearAreNoticed) {
  add(Action::Drop);
  ++source_.now[index(Action::Drop)].matched;
  signal();
  EXPECT_FALSE(run().totals[index(Action::Drop)].is_balanced());
}

TEST_F(CaptureLoopTest, StatusOnceASecondAndFileNotFarBehind) {
  int calls = 0;
  std::size_t written_before_stop = 0;
  options_.readers.once_a_second = [&](const CaptureStatistics& statistics) {
    const ActionCounters& counters = statistics.by_cpu.at(0);
    EXPECT_EQ(counters[index(Action::Pass)].received, 1U);
    if (++calls == 2) {
      written_before_stop = packets().size();
      signal();
    }
  };
  add(Action::Pass);
  const std::uint64_t start_ns = time_.monotonic_ns();
  run();
  const std::uint64_t took_ns = time_.monotonic_ns() - start_ns;
  EXPECT_EQ(calls, 2);
  EXPECT_GE(took_ns, 2'000'000'000U);
  EXPECT_LT(took_ns, 2'500'000'000U);
  EXPECT_EQ(written_before_stop, 1U);
}

}  // namespace
}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// The loop with a flight recorder: who asks for a dump, and that every packet is in one number.

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "xdpcap/tests/capture/loop_stage.h"

namespace xdpcap {
namespace {

constexpr std::size_t kPacketBytes = 80;  // of 32 bytes, in memory

class RecorderLoopTest : public test::LoopStage {
 protected:
  RecorderLoopTest() { EXPECT_EQ(::fcntl(requests_.read.get(), F_SETFL, O_NONBLOCK), 0); }
  CaptureSummary record(std::size_t memory_bytes, std::vector<RateLimit> triggers = {}) {
    memory_.emplace(std::move(FlightRecorder::allocate(memory_bytes)).value());
    options_.recorder.emplace(RecorderOptions{.memory = &*memory_,
                                              .section = section_,
                                              .request_fd = requests_.read.get(),
                                              .triggers = std::move(triggers),
                                              .on_dump = [this](const Dump& dump) {
                                                dumps_.push_back(dump.reason);
                                                if (at_dump_) {
                                                  at_dump_();
                                                }
                                              }});
    PcapngWriter writer(sink_);
    return run_capture(source_, readers_, writer, sink_, time_, options_);
  }
  void request() {
    const signalfd_siginfo info{};
    ASSERT_EQ(::write(requests_.write.get(), &info, sizeof(info)),
              static_cast<ssize_t>(sizeof(info)));
  }
  std::size_t sections() const {
    return static_cast<std::size_t>(
        std::ranges::count(test::walk_blocks(sink_.bytes), 0x0a0d0d0aU, &test::WalkedBlock::type));
  }

  test::Pipe requests_;
  std::optional<FlightRecorder> memory_;
  std::vector<std::string> dumps_;
  std::function<void()> at_dump_;
};

using Reasons = std::vector<std::string>;

TEST_F(RecorderLoopTest, TheEndWritesWhatIsInMemory) {
  for (std::uint64_t i = 0; i < 10; ++i) {
    add(Action::Drop, i);
  }
  source_.now[index(Action::Drop)].matched += 2;
  source_.now[index(Action::Drop)].lost = 2;
  signal();
  const CaptureSummary summary = record(4 * kPacketBytes);
  EXPECT_EQ(summary.end, CaptureEnd::Signal);
  EXPECT_FALSE(summary.error);
  EXPECT_TRUE(sink_.is_finished);
  EXPECT_EQ(
      sum(summary.totals),
      (PacketTotals{.received = 10, .matched = 12, .overwritten = 6, .written = 4, .lost = 2}));
  EXPECT_TRUE(sum(summary.totals).is_balanced());
  EXPECT_EQ(packets().size(), 4U);
  EXPECT_EQ(sections(), 1U);
  EXPECT_EQ(statistics_blocks(), 2U);
  EXPECT_EQ(dumps_, Reasons{"end of the capture"});
  EXPECT_EQ(ring_.consumer, ring_.producer);
}

TEST_F(RecorderLoopTest, ThereIsAlwaysALastSection) {
  signal();
  record(1 << 16);
  EXPECT_EQ(sections(), 1U);
  EXPECT_EQ(statistics_blocks(), 2U);
  EXPECT_EQ(packets().size(), 0U);
}

TEST_F(RecorderLoopTest, AnIdleLoopNoticesARequestAtOnce) {
  add(Action::Drop);
  std::uint64_t requested_at_ns = 0;
  std::uint64_t dumped_at_ns = 0;
  at_dump_ = [&] {
    if (dumps_.size() == 1) {
      dumped_at_ns = time_.monotonic_ns();
      signal();
    }
  };
  std::thread asking([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    requested_at_ns = time_.monotonic_ns();
    request();
    request();
  });
  const CaptureSummary summary = record(1 << 16);
  asking.join();
  EXPECT_LT(dumped_at_ns - requested_at_ns, 60'000'000U) << "the idle loop sleeps for 100 ms";
  EXPECT_EQ(dumps_, (Reasons{"SIGUSR1", "end of the capture"}));
  EXPECT_EQ(sections(), 2U);
  EXPECT_EQ(statistics_blocks(), 4U);
  EXPECT_EQ(packets().size(), 1U);
  EXPECT_TRUE(sum(summary.totals).is_balanced());
}

TEST_F(RecorderLoopTest, RequestsThatCameWithTheEndAreOneDump) {
  add(Action::Drop);
  request();
  signal();
  record(1 << 16);
  EXPECT_EQ(dumps_, Reasons{"SIGUSR1 and end of the capture"});
}

TEST_F(RecorderLoopTest, WhatArrivesUntilDetachedIsWritten) {
  source_.at_detach = [this] {
    for (int i = 0; i < 500; ++i) {
      add(Action::Drop, UINT64_MAX);
    }
  };
  signal();
  const CaptureSummary summary = record(100 * kPacketBytes);
  EXPECT_EQ(sum(summary.totals).overwritten, 400U);
  EXPECT_EQ(sum(summary.totals).written, 100U);
  EXPECT_TRUE(sum(summary.totals).is_balanced());
}

TEST_F(RecorderLoopTest, ARateThatPassesItsLimitWritesOnce) {
  add(Action::Pass);
  int reads = 0;
  std::uint64_t passed_at_ns = 0;
  std::uint64_t dumped_at_ns = 0;
  source_.at_read = [&] {
    source_.now[index(Action::Drop)].received += 400;
    ++reads;
    passed_at_ns = reads == 4 ? time_.monotonic_ns() : passed_at_ns;
    if (reads == 8) {
      signal();
    }
  };
  at_dump_ = [&] { dumped_at_ns = dumped_at_ns == 0 ? time_.monotonic_ns() : dumped_at_ns; };
  const std::uint64_t start_ns = time_.monotonic_ns();
  const CaptureSummary summary =
      record(1 << 16, {{.action = Action::Drop, .packets_per_second = 1000},
                       {.action = Action::Pass, .packets_per_second = 1000}});
  EXPECT_EQ(dumps_, (Reasons{"XDPDrop passed 1000 packets a second (1200)", "end of the capture"}));
  EXPECT_GE(time_.monotonic_ns() - start_ns, 500'000'000U) << "looks are 100 ms apart";
  EXPECT_LT(dumped_at_ns - passed_at_ns, 50'000'000U) << "the idle loop sleeps for 100 ms";
  EXPECT_EQ(packets().size(), 1U);
  EXPECT_EQ(sections(), 2U);
  EXPECT_TRUE(summary.totals[index(Action::Pass)].is_balanced());
}

TEST_F(RecorderLoopTest, WithoutATriggerCountersAreLeftAlone) {
  int reads = 0;
  source_.at_read = [&] { ++reads; };
  std::thread stop([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    signal();
  });
  record(1 << 16);
  stop.join();
  EXPECT_EQ(reads, 2) << "for the last section, and for the summary";
}

TEST_F(RecorderLoopTest, ACountEndsIt) {
  options_.most_packets = 3;
  for (int i = 0; i < 3; ++i) {
    add(Action::Drop);
  }
  const CaptureSummary summary = record(2 * kPacketBytes);  // without a signal
  EXPECT_EQ(summary.end, CaptureEnd::Enough);
  EXPECT_EQ(sum(summary.totals),
            (PacketTotals{.received = 3, .matched = 3, .overwritten = 1, .written = 2}));
}

TEST_F(RecorderLoopTest, AFullDiskDuringADumpStopsAndEverythingIsCounted) {
  for (int i = 0; i < 300; ++i) {
    add(Action::Drop);
  }
  request();
  source_.at_detach = [this] { add(Action::Drop); };
  sink_.most_bytes = 2000;
  const CaptureSummary summary = record(200 * kPacketBytes);
  EXPECT_EQ(summary.end, CaptureEnd::Failed);
  ASSERT_TRUE(summary.error);
  EXPECT_EQ(summary.error->sys_errno, ENOSPC);
  EXPECT_TRUE(source_.is_detached);
  EXPECT_TRUE(sink_.is_finished);
  const PacketTotals all = sum(summary.totals);
  EXPECT_TRUE(all.is_balanced());
  EXPECT_EQ(all.overwritten, 100U);
  EXPECT_EQ(all.in_memory, 0U);
  EXPECT_EQ(all.written, packets().size());
  EXPECT_EQ(all.unwritten, 201U - all.written);
  EXPECT_EQ(dumps_, Reasons{});
}

TEST_F(RecorderLoopTest, AReaderThatGoesLeavesWhatIsInMemoryUnwritten) {
  test::Pipe output;
  options_.output_fd = output.write.get();
  output.read.reset();
  add(Action::Drop);
  const CaptureSummary summary = record(1 << 16);
  EXPECT_EQ(summary.end, CaptureEnd::OutputClosed);
  EXPECT_EQ(sum(summary.totals), (PacketTotals{.received = 1, .matched = 1, .unwritten = 1}));
  EXPECT_TRUE(sum(summary.totals).is_balanced());
  EXPECT_EQ(sink_.writes, 0);
}

TEST_F(RecorderLoopTest, CountersThatCannotBeReadDuringADumpEndIt) {
  add(Action::Drop);
  request();
  source_.fails = true;
  const CaptureSummary summary = record(1 << 16);
  EXPECT_EQ(summary.end, CaptureEnd::Failed);
  ASSERT_TRUE(summary.error);
  EXPECT_EQ(summary.error->message, "read counters: gone");
  EXPECT_EQ(packets().size(), 1U);
  EXPECT_EQ(statistics_blocks(), 0U);
}

TEST_F(RecorderLoopTest, TheRunningNumbersSayWhatIsInMemory) {
  for (int i = 0; i < 5; ++i) {
    add(Action::Drop);
  }
  std::optional<PacketTotals> running;
  options_.readers.once_a_second = [&](const CaptureStatistics& statistics) {
    running = sum(statistics.totals);
    signal();
  };
  const CaptureSummary summary = record(3 * kPacketBytes);
  EXPECT_EQ(running, (PacketTotals{.received = 5, .matched = 5, .overwritten = 2, .in_memory = 3}));
  EXPECT_EQ(sum(summary.totals).in_memory, 0U);
}

}  // namespace
}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// What goes through a flight recorder's memory into the file, step by step.

#include "xdpcap/capture/recorder_output.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "xdpcap/tests/capture/pcapng_walk.h"
#include "xdpcap/tests/capture/scripted_sink.h"

namespace xdpcap {
namespace {

using Step = PacketOutput::Step;

class SettableTime final : public TimeSource {
 public:
  std::uint64_t monotonic_ns() override { return 0; }
  std::uint64_t realtime_ns() override { return wall_ns; }
  std::uint64_t wall_ns = 1'000'000;
};

// A file with interfaces for Drop and Pass.
class RecorderOutputTest : public testing::Test {
 protected:
  void start(std::size_t memory_bytes) {
    memory_.emplace(std::move(FlightRecorder::allocate(memory_bytes)).value());
    options_.memory = &*memory_;
    options_.section.interfaces.resize(2);
    options_.on_dump = [this](const Dump& dump) { dumps_.push_back(dump); };
    output_.emplace(writer_, clock_, std::vector{Action::Drop, Action::Pass}, 8, options_);
  }
  Result<void> write(Packet packet, std::size_t bytes = 100) {
    content_.resize(bytes);
    packet.bytes = content_;
    packet.wire_length_bytes = static_cast<std::uint32_t>(bytes);
    const TimeOrder::Pending held{.packet = packet, .start = 0};
    return output_->write({&held, 1});
  }
  // Writes out what is in memory, with a section's end.
  void dump(const std::string& why) {
    output_->ask({.what = why, .phrase = "on " + why});
    while (true) {
      const Result<Step> step = output_->go_on();
      ASSERT_TRUE(step);
      if (*step == Step::Nothing) {
        return;
      }
      if (*step == Step::Statistics) {
        ASSERT_TRUE(output_->write_statistics(std::vector<PcapngStatistics>(2)));
      }
    }
  }
  PacketTotals count(Action action) const {
    PacketTotals totals;
    output_->count(action, totals);
    return totals;
  }
  std::vector<test::WalkedPacket> packets() const { return test::walk_packets(sink_.bytes); }
  std::vector<std::string> section_comments() const {
    std::vector<std::string> comments;
    for (const test::WalkedBlock& block : test::walk_blocks(sink_.bytes)) {
      if (block.type == 0x0a0d0d0a) {
        const auto option = test::walk_options(block.body.subspan(16)).at(0);
        EXPECT_EQ(option.code, 1);
        comments.emplace_back(option.value.begin(), option.value.end());
      }
    }
    return comments;
  }

  test::ScriptedSink sink_;
  SettableTime time_;
  WallClock clock_{time_};
  PcapngWriter writer_{sink_};
  std::optional<FlightRecorder> memory_;
  RecorderOptions options_;
  std::vector<Dump> dumps_;
  std::optional<RecorderOutput> output_;
  std::vector<std::uint8_t> content_;
};

constexpr std::size_t kKeptPacketBytes = 152;  // of 100 bytes, in memory

TEST_F(RecorderOutputTest, WritesNothingBeforeSomebodyAsks) {
  start(10 * kKeptPacketBytes);
  ASSERT_TRUE(write({.ktime_ns = 5, .action = Action::Drop}));
  ASSERT_TRUE(output_->flush());
  EXPECT_EQ(*output_->go_on(), Step::Nothing);
  EXPECT_EQ(sink_.writes, 0);
  EXPECT_EQ(count(Action::Drop), (PacketTotals{.in_memory = 1}));
}

TEST_F(RecorderOutputTest, EachDumpIsASectionOfWhatCameSinceTheLast) {
  start(64 << 10);
  ASSERT_TRUE(write({.ktime_ns = 1, .ifindex = 7, .action = Action::Drop}));
  ASSERT_TRUE(write({.ktime_ns = 2, .ifindex = 7, .action = Action::Pass}));
  dump("SIGUSR1");
  EXPECT_TRUE(memory_->is_empty());
  ASSERT_TRUE(write({.ktime_ns = 3, .ifindex = 7, .action = Action::Pass}));
  ASSERT_TRUE(write({.ktime_ns = 4, .ifindex = 8, .action = Action::Pass}));
  dump("SIGUSR1");
  dump("Friday");
  EXPECT_EQ(section_comments(),
            (std::vector<std::string>{"flight recorder: the last 64 KiB, written on SIGUSR1",
                                      "flight recorder: the last 64 KiB, written on SIGUSR1",
                                      "flight recorder: the last 64 KiB, written on Friday"}));
  const std::vector<test::WalkedPacket> written = packets();
  ASSERT_EQ(written.size(), 4U);
  EXPECT_EQ(written[2].time_ns, 1'000'003U);
  EXPECT_EQ(written[2].interface, 1U);
  EXPECT_EQ(written[1].comment, "ingress interface index 7");
  EXPECT_EQ(written[2].comment, "ingress interface index 7");
  EXPECT_EQ(written[3].comment, "") << "8 is the sole interface";
  ASSERT_EQ(dumps_.size(), 3U);
  EXPECT_EQ(dumps_[0].packets, 2U);
  EXPECT_EQ(dumps_[1].packets, 2U);
  EXPECT_EQ(dumps_[2].packets, 0U);
  EXPECT_EQ(dumps_[2].reason, "Friday");
  EXPECT_EQ(count(Action::Pass), (PacketTotals{.written = 3}));
}

TEST_F(RecorderOutputTest, WhatDoesNotFitIsCountedAsOverwritten) {
  start(3 * kKeptPacketBytes);
  for (std::uint64_t i = 1; i <= 5; ++i) {
    ASSERT_TRUE(write({.ktime_ns = i, .action = i == 2 ? Action::Pass : Action::Drop}));
  }
  EXPECT_EQ(count(Action::Drop), (PacketTotals{.overwritten = 1, .in_memory = 3}));
  EXPECT_EQ(count(Action::Pass), (PacketTotals{.overwritten = 1}));
  dump("SIGUSR1");
  EXPECT_EQ(count(Action::Drop), (PacketTotals{.overwritten = 1, .written = 3}));
  const std::vector<test::WalkedPacket> written = packets();
  ASSERT_EQ(written.size(), 3U);
  EXPECT_EQ(written[0].time_ns, 1'000'003U);
  EXPECT_EQ(written[2].time_ns, 1'000'005U);
  EXPECT_EQ(section_comments(),
            (std::vector<std::string>{"flight recorder: the last 456 bytes, written on SIGUSR1"}));
}

TEST_F(RecorderOutputTest, APacketLargerThanTheMemoryIsOverwrittenAtOnce) {
  start(3 * kKeptPacketBytes);
  ASSERT_TRUE(write({.action = Action::Drop}));
  ASSERT_TRUE(write({.action = Action::Drop}, 3 * kKeptPacketBytes));
  EXPECT_EQ(count(Action::Drop), (PacketTotals{.overwritten = 2}));
}

TEST_F(RecorderOutputTest, LossesBeforeOverwrittenPacketsShowAtTheNext) {
  start(2 * kKeptPacketBytes);
  const auto record = [&](std::uint32_t lost, std::uint32_t ring, Action action) {
    ASSERT_TRUE(write({.lost_packets = lost, .ring = ring, .action = action}));
  };
  record(3, 0, Action::Drop);  // overwritten
  record(4, 1, Action::Drop);  // overwritten
  record(9, 0, Action::Pass);  // overwritten
  record(5, 0, Action::Drop);
  record(6, 0, Action::Drop);
  dump("SIGUSR1");
  record(8, 1, Action::Drop);
  record(9, 0, Action::Pass);
  dump("SIGUSR1");
  const std::vector<test::WalkedPacket> written = packets();
  ASSERT_EQ(written.size(), 4U);
  EXPECT_EQ(written[0].lost_before, 3U + 4U + 2U);
  EXPECT_EQ(written[1].lost_before, 1U);
  EXPECT_EQ(written[2].lost_before, 4U) << "since the packet of its CPU that was overwritten";
  EXPECT_EQ(written[3].lost_before, 9U);
}

TEST_F(RecorderOutputTest, TimesAreThoseOfArrival) {
  start(10 * kKeptPacketBytes);
  ASSERT_TRUE(write({.ktime_ns = 7, .action = Action::Drop}));
  time_.wall_ns = 5'000'000'000'000;  // the clock is set
  clock_.refresh(2'000'000'000);
  ASSERT_TRUE(write({.ktime_ns = 8, .action = Action::Drop}));
  dump("SIGUSR1");
  const std::vector<test::WalkedPacket> written = packets();
  ASSERT_EQ(written.size(), 2U);
  EXPECT_EQ(written[0].time_ns, 1'000'007U);
  EXPECT_EQ(written[1].time_ns, 5'000'000'000'008U);
}

TEST_F(RecorderOutputTest, ActionsThatAreNotCapturedAreOnlyCounted) {
  start(10 * kKeptPacketBytes);
  ASSERT_TRUE(write({.action = Action::Tx}));
  EXPECT_EQ(count(Action::Tx), (PacketTotals{.unwritten = 1}));
  EXPECT_TRUE(memory_->is_empty());
}

// A large dump is written in slices.  What comes between them needs the place of packets that are still to be written:
// those are written first, and none of them is lost.
TEST_F(RecorderOutputTest, WhatComesDuringADumpOverwritesNothingOfIt) {
  constexpr std::uint64_t kPackets = 20'000;  // three slices
  start(kPackets * kKeptPacketBytes);
  for (std::uint64_t i = 0; i < kPackets; ++i) {
    ASSERT_TRUE(write({.ktime_ns = i, .action = Action::Drop}));
  }
  output_->ask({.what = "first", .phrase = "first"});
  ASSERT_EQ(*output_->go_on(), Step::More);
  ASSERT_EQ(*output_->go_on(), Step::More);
  output_->ask({.what = "second", .phrase = "second"});
  output_->ask({.what = "third", .phrase = "third"});
  const std::uint64_t left = memory_->packets();
  EXPECT_GT(left, 5'000U);
  EXPECT_LT(left, 10'000U);
  for (std::uint64_t i = 0; i < kPackets - left + 1'000; ++i) {
    ASSERT_TRUE(write({.ktime_ns = kPackets + i, .action = Action::Drop}));
  }
  EXPECT_EQ(count(Action::Drop).overwritten, 0U);
  EXPECT_EQ(memory_->packets(), kPackets);
  ASSERT_EQ(*output_->go_on(), Step::Statistics);
  EXPECT_EQ(count(Action::Drop).written, kPackets);
  ASSERT_TRUE(output_->write_statistics(std::vector<PcapngStatistics>(2)));
  EXPECT_EQ(count(Action::Drop).in_memory, kPackets - left + 1'000);
  dump("fourth");
  const std::vector<test::WalkedPacket> written = packets();
  ASSERT_EQ(written.size(), 2 * kPackets - left + 1'000);
  for (std::uint64_t i = 0; i < written.size(); ++i) {
    ASSERT_EQ(written[i].time_ns, 1'000'000 + i);
  }
  ASSERT_EQ(dumps_.size(), 2U);
  EXPECT_EQ(dumps_[0].packets, kPackets);
  EXPECT_EQ(dumps_[1].reason, "second and third and fourth");
}

TEST_F(RecorderOutputTest, WhenADumpIsOverAllOfMemoryCanBeOverwritten) {
  start(3 * kKeptPacketBytes);
  for (int dumps = 0; dumps < 2; ++dumps) {
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(write({.action = Action::Drop}));
    }
    dump("SIGUSR1");
  }
  EXPECT_EQ(count(Action::Drop), (PacketTotals{.overwritten = 14, .written = 6}));
}

// The sink takes so many bytes, wherever that ends: every packet is in one number, and the file has what is counted.
TEST_F(RecorderOutputTest, AnOutputThatFailsDuringADump) {
  for (std::size_t most_bytes = 0; most_bytes < 40'000; most_bytes += 1'111) {
    SCOPED_TRACE(most_bytes);
    sink_ = {};
    sink_.most_bytes = most_bytes;
    writer_ = PcapngWriter(sink_);
    start(100 * kKeptPacketBytes);
    for (int i = 0; i < 150; ++i) {
      ASSERT_TRUE(write({.action = Action::Drop}));
    }
    output_->ask({.what = "SIGUSR1", .phrase = "on SIGUSR1"});
    const Result<Step> step = output_->go_on();
    const bool has_failed = !step || !output_->write_statistics(std::vector<PcapngStatistics>(2));
    if (!has_failed) {
      EXPECT_GT(most_bytes, 100U * 160U);
      continue;
    }
    output_->close();
    ASSERT_TRUE(write({.action = Action::Drop}));
    EXPECT_EQ(*output_->go_on(), Step::Nothing);
    EXPECT_TRUE(output_->write_statistics(std::vector<PcapngStatistics>(2)));
    const PacketTotals totals = count(Action::Drop);
    EXPECT_EQ(totals.overwritten, 50U);
    EXPECT_EQ(totals.in_memory, 0U);
    EXPECT_EQ(totals.written, packets().size());
    EXPECT_EQ(totals.overwritten + totals.written + totals.unwritten, 151U);
    EXPECT_TRUE(dumps_.empty());
  }
}

// The output fails when a packet that came during a dump needs room.
TEST_F(RecorderOutputTest, AnOutputThatFailsWhileRoomIsMade) {
  constexpr std::uint64_t kPackets = 20'000;
  start(kPackets * kKeptPacketBytes);
  for (std::uint64_t i = 0; i < kPackets; ++i) {
    ASSERT_TRUE(write({.action = Action::Drop}));
  }
  output_->ask({.what = "SIGUSR1", .phrase = "on SIGUSR1"});
  ASSERT_EQ(*output_->go_on(), Step::More);
  sink_.most_bytes = sink_.bytes.size();
  std::vector<TimeOrder::Pending> batch(kPackets, {.packet = {.bytes = content_}, .start = 0});
  for (TimeOrder::Pending& held : batch) {
    held.packet.action = Action::Drop;
  }
  EXPECT_FALSE(output_->write(batch));
  EXPECT_FALSE(output_->is_open());
  const PacketTotals totals = count(Action::Drop);
  EXPECT_EQ(totals.in_memory + totals.overwritten, 0U);
  EXPECT_EQ(totals.written, packets().size());
  EXPECT_EQ(totals.written + totals.unwritten, 2 * kPackets);
}

}  // namespace
}  // namespace xdpcap

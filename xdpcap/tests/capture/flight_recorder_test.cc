// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/flight_recorder.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <string>
#include <vector>

namespace xdpcap {
namespace {

constexpr std::size_t kHeaderBytes = 48;

using Bytes = std::vector<std::uint8_t>;

Bytes make_bytes(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::uint8_t>(seed * 31 + i);
  }
  return bytes;
}

FlightRecorder make_recorder(std::size_t size_bytes) {
  return std::move(FlightRecorder::allocate(size_bytes)).value();
}

/// Appends a packet that is known by its time, overwriting; what had to go.
std::vector<std::uint64_t> append(FlightRecorder& recorder, std::uint64_t time, std::size_t bytes) {
  std::vector<std::uint64_t> gone;
  while (!recorder.has_room(bytes) && !recorder.is_empty()) {
    gone.push_back(recorder.oldest().wall_time_ns);
    recorder.drop_oldest();
  }
  const Bytes content = make_bytes(bytes, time);
  recorder.append({.bytes = content}, time);
  return gone;
}

/// Empties it.
std::vector<std::uint64_t> times_in(FlightRecorder& recorder) {
  std::vector<std::uint64_t> times;
  for (; !recorder.is_empty(); recorder.drop_oldest()) {
    const RecordedPacket oldest = recorder.oldest();
    times.push_back(oldest.wall_time_ns);
    const Bytes bytes(oldest.packet.bytes.begin(), oldest.packet.bytes.end());
    EXPECT_EQ(bytes, make_bytes(bytes.size(), oldest.wall_time_ns));
  }
  return times;
}

using Times = std::vector<std::uint64_t>;

TEST(FlightRecorder, KeepsAllOfAPacket) {
  FlightRecorder recorder = make_recorder(4096);
  EXPECT_TRUE(recorder.is_empty());
  const Bytes bytes = make_bytes(61, 1);
  recorder.append({.ktime_ns = 1,
                   .lost_packets = 2,
                   .bytes = bytes,
                   .wire_length_bytes = 3000,
                   .ifindex = 4,
                   .rx_queue = 5,
                   .ring = 6,
                   .action = Action::Tx},
                  7);
  const RecordedPacket kept = recorder.oldest();
  EXPECT_EQ(kept.wall_time_ns, 7U);
  EXPECT_EQ(kept.packet.ktime_ns, 1U);
  EXPECT_EQ(kept.packet.lost_packets, 2U);
  EXPECT_TRUE(std::ranges::equal(kept.packet.bytes, bytes));
  EXPECT_NE(kept.packet.bytes.data(), bytes.data());
  EXPECT_EQ(kept.packet.wire_length_bytes, 3000U);
  EXPECT_EQ(kept.packet.ifindex, 4U);
  EXPECT_EQ(kept.packet.rx_queue, 5U);
  EXPECT_EQ(kept.packet.ring, 6U);
  EXPECT_EQ(kept.packet.action, Action::Tx);
  EXPECT_EQ(recorder.packets(), 1U);
}

TEST(FlightRecorder, APacketTakesItsBytesAndAHeader) {
  EXPECT_EQ(FlightRecorder::packet_bytes(0), kHeaderBytes);
  EXPECT_EQ(FlightRecorder::packet_bytes(1), kHeaderBytes + 8);
  EXPECT_EQ(FlightRecorder::packet_bytes(64), kHeaderBytes + 64);
  EXPECT_EQ(FlightRecorder::packet_bytes(65535), kHeaderBytes + 65536);
}

TEST(FlightRecorder, TheOldestAreOverwritten) {
  FlightRecorder recorder = make_recorder(3 * (kHeaderBytes + 16));
  EXPECT_EQ(append(recorder, 1, 16), Times{});
  EXPECT_EQ(append(recorder, 2, 16), Times{});
  EXPECT_EQ(append(recorder, 3, 16), Times{}) << "three fit exactly";
  EXPECT_EQ(append(recorder, 4, 16), Times{1});
  EXPECT_EQ(append(recorder, 5, 16), Times{2});
  EXPECT_EQ(recorder.packets(), 3U);
  EXPECT_EQ(times_in(recorder), (Times{3, 4, 5}));
  EXPECT_EQ(recorder.packets(), 0U);
}

TEST(FlightRecorder, APacketIsNeverSplit) {
  // 8 bytes are left at the end, and stay so.
  FlightRecorder recorder = make_recorder(2 * (kHeaderBytes + 16) + 8);
  append(recorder, 1, 16);
  append(recorder, 2, 16);
  EXPECT_EQ(append(recorder, 3, 24), (Times{1, 2})) << "longer than the place of one";
  EXPECT_EQ(append(recorder, 4, 1), Times{});
  EXPECT_EQ(append(recorder, 5, 16), Times{3});
  EXPECT_EQ(times_in(recorder), (Times{4, 5}));
}

TEST(FlightRecorder, ALargePacketTakesThePlaceOfManySmallOnes) {
  FlightRecorder recorder = make_recorder(10 * (kHeaderBytes + 16));
  for (std::uint64_t i = 0; i < 15; ++i) {
    append(recorder, i, 16);
  }
  EXPECT_EQ(append(recorder, 15, 3 * (kHeaderBytes + 16) - kHeaderBytes), (Times{5, 6, 7}));
  EXPECT_EQ(times_in(recorder), (Times{8, 9, 10, 11, 12, 13, 14, 15}));
}

TEST(FlightRecorder, TheLargestPacketFitsWhereOnlyOneDoes) {
  FlightRecorder recorder = make_recorder(FlightRecorder::packet_bytes(65535));
  EXPECT_EQ(append(recorder, 1, 65535), Times{});
  EXPECT_EQ(append(recorder, 2, 65535), Times{1});
  EXPECT_EQ(append(recorder, 3, 1), Times{2});
  EXPECT_EQ(append(recorder, 4, 65535), Times{3});
  EXPECT_EQ(times_in(recorder), Times{4});
}

TEST(FlightRecorder, ATooLargePacketHasNoRoomInAnEmptyMemory) {
  const FlightRecorder recorder = make_recorder(kHeaderBytes + 16);
  EXPECT_TRUE(recorder.has_room(16));
  EXPECT_FALSE(recorder.has_room(17));
}

TEST(FlightRecorder, WhatIsClearedIsGone) {
  FlightRecorder recorder = make_recorder(1000);
  for (std::uint64_t i = 0; i < 50; ++i) {
    append(recorder, i, 100);
  }
  recorder.clear();
  EXPECT_TRUE(recorder.is_empty());
  EXPECT_TRUE(recorder.has_room(1000 - kHeaderBytes));
  append(recorder, 50, 1000 - kHeaderBytes);
  EXPECT_EQ(times_in(recorder), Times{50});
}

// Packets of any size come, and leave at any time: what is there is what a queue would have, and the memory is used
// but for what a large packet leaves at the end.
TEST(FlightRecorder, IsAQueueOfAsManyAsFit) {
  constexpr std::size_t kSizeBytes = 100'000;
  constexpr std::size_t kLargestBytes = 9'000;
  std::mt19937 random(7);
  FlightRecorder recorder = make_recorder(kSizeBytes);
  std::deque<std::pair<std::uint64_t, std::size_t>> expected;  // time and memory
  std::size_t used_bytes = 0;
  const auto leave = [&](std::uint64_t time) {
    ASSERT_EQ(time, expected.front().first);
    used_bytes -= expected.front().second;
    expected.pop_front();
  };
  for (std::uint64_t time = 0; time < 50'000; ++time) {
    const std::size_t bytes = random() % (random() % 4 == 0 ? kLargestBytes : 200);
    for (const std::uint64_t gone : append(recorder, time, bytes)) {
      EXPECT_GT(used_bytes + 2 * (kLargestBytes + kHeaderBytes), kSizeBytes) << time;
      leave(gone);
    }
    expected.emplace_back(time, FlightRecorder::packet_bytes(bytes));
    used_bytes += expected.back().second;
    ASSERT_LE(used_bytes, kSizeBytes);
    ASSERT_EQ(recorder.packets(), expected.size());
    if (random() % 1000 == 0) {
      for (std::size_t left = random() % expected.size(); left > 0; --left) {
        leave(recorder.oldest().wall_time_ns);
        recorder.drop_oldest();
      }
    }
  }
  for (const std::uint64_t time : times_in(recorder)) {
    leave(time);
  }
  EXPECT_TRUE(expected.empty());
}

TEST(FlightRecorder, MoreThanTheMachineHasIsRefused) {
  const Result<FlightRecorder> recorder = FlightRecorder::allocate(std::size_t{1} << 46U);
  ASSERT_FALSE(recorder);
  EXPECT_EQ(recorder.error().sys_errno, ENOMEM);
  EXPECT_TRUE(recorder.error().message.starts_with(
      "allocate 70368744177664 bytes for the flight recorder: Cannot allocate memory, "))
      << recorder.error().message;
  EXPECT_TRUE(recorder.error().message.ends_with(" are available; give it less"));
}

}  // namespace
}  // namespace xdpcap

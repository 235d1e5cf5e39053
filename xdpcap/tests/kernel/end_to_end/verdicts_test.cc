// SPDX-License-Identifier: BSD-3-Clause
//
// What the sender, the stack and the neighbour of a target see is the same with and without a
// capture, and the file has what the target did.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "base/testing/one_cpu.h"
#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"XDPAborted", "XDPDrop", "XDPPass", "XDPTx",
                                                    "XDPRedirect"};
constexpr std::uint32_t kNoSlot = 7;
constexpr std::uint32_t kFrames = 20;

// Some frames for every action, mixed, of several sizes; the last one passes.
std::vector<Bytes> orders() {
  std::vector<Bytes> frames;
  for (std::uint32_t number = 0; number < kFrames; ++number) {
    for (const std::uint32_t action : {0U, 1U, 2U, 3U, 4U, kNoSlot}) {
      frames.push_back(order_frame(action, number, 60 + 73 * std::size_t{number}));
    }
  }
  frames.push_back(order_frame(kPass, kFrames));
  return frames;
}

std::uint32_t action_of(const Bytes& frame) {
  return frame[42] - std::uint32_t{'0'};
}

std::vector<Bytes> with_action(const std::vector<Bytes>& frames, std::uint32_t action) {
  std::vector<Bytes> chosen;
  std::copy_if(frames.begin(), frames.end(), std::back_inserter(chosen),
               [&](const Bytes& frame) { return action_of(frame) == action; });
  return chosen;
}

// Sends `frames` and expects each where its action takes it, unchanged, and nothing else anywhere.
void expect_verdicts(const Rig& rig, const std::vector<Bytes>& frames, const char* when) {
  SCOPED_TRACE(when);
  const PacketSocket sender = rig.sending();
  const PacketSocket delivered = rig.delivered();
  const PacketSocket redirected = rig.redirected();
  sender.send(frames);
  // The queue keeps the order: once the last frame is there, the target has seen all of them.
  const auto arrive = [](const PacketSocket& at, const std::vector<Bytes>& expected) {
    return at.receive(expected.size()) == expected;
  };
  EXPECT_TRUE(arrive(delivered, with_action(frames, kPass)));
  EXPECT_TRUE(arrive(sender, with_action(frames, kTx)));
  EXPECT_TRUE(arrive(redirected, with_action(frames, kRedirect)));
  for (const PacketSocket* at : {&sender, &delivered, &redirected}) {
    EXPECT_TRUE(at->receive(1, Millis(20)).empty());
  }
}

void expect_file(const std::string& path, const std::vector<Bytes>& frames, std::uint64_t from_ns,
                 std::uint64_t to_ns) {
  std::vector<Bytes> expected;
  std::copy_if(frames.begin(), frames.end(), std::back_inserter(expected),
               [](const Bytes& frame) { return action_of(frame) < kNames.size(); });
  const std::vector<Captured> packets = read_capture(path);
  ASSERT_EQ(packets.size(), expected.size());
  std::uint64_t previous_ns = from_ns;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const Captured& packet = packets[i];
    const std::uint32_t action = action_of(expected[i]);
    EXPECT_EQ(packet.bytes, expected[i]) << i;
    EXPECT_EQ(packet.wire_length_bytes, expected[i].size());
    EXPECT_EQ(packet.interface, fmt::format("hook:{}", kNames[action]));
    EXPECT_EQ(packet.verdict, std::to_string(action));
    EXPECT_EQ(packet.queue, "0");
    EXPECT_EQ(packet.direction, "0x00000001");
    EXPECT_GE(packet.time_ns, previous_ns) << i;
    previous_ns = packet.time_ns;
  }
  EXPECT_LE(previous_ns, to_ns);
}

class Verdicts : public EndToEndTest, public testing::WithParamInterface<bool> {};

TEST_P(Verdicts, AreTheSameWithAndWithoutACapture) {
  const Rig rig({.native = GetParam()});
  const int hook = rig.target().hook_fd();
  const std::vector<Bytes> frames = orders();
  expect_verdicts(rig, frames, "before");
  {
    Capture capture(hook, {rig.hook(), rig.file("all.pcapng")});
    const std::uint64_t from_ns = wall_clock_ns();
    expect_verdicts(rig, frames, "while everything is captured");
    const std::uint64_t to_ns = wall_clock_ns();
    capture.stop();
    expect_file(rig.file("all.pcapng"), frames, from_ns, to_ns);
  }
  {
    Capture capture(hook, {rig.hook(), rig.file("none.pcapng"), "ip6 and tcp"});
    expect_verdicts(rig, frames, "while nothing matches");
    capture.stop();
    EXPECT_TRUE(read_capture(rig.file("none.pcapng")).empty());
    const std::uint64_t per_action = kFrames;
    EXPECT_EQ(statistics_in(rig.file("none.pcapng")),
              (std::vector<FileStatistics>{{.received = per_action},
                                           {.received = per_action},
                                           {.received = per_action + 1},
                                           {.received = per_action},
                                           {.received = per_action}}));
  }
  expect_verdicts(rig, frames, "after");
}

INSTANTIATE_TEST_SUITE_P(Modes, Verdicts, testing::Values(true, false), [](const auto& instance) {
  return instance.param ? "Native" : "Generic";
});

class Queues : public EndToEndTest {};

TEST_F(Queues, AreNamedByNumber) {
  const Rig rig({.net = {.mtu = 1500, .queues = 2}});
  Capture capture(rig.target().hook_fd(), {rig.hook(), rig.file("out.pcapng")});
  const PacketSocket sender = rig.sending();
  const PacketSocket delivered = rig.delivered();
  constexpr std::uint32_t kCpus = 2;  // the transmit queue is that of the CPU
  std::map<Bytes, std::string> queues;
  for (std::uint32_t cpu = 0; cpu < kCpus; ++cpu) {
    const test::OnOneCpu on(static_cast<int>(cpu));  // fails where there are not two
    for (std::uint32_t i = 0; i < 10; ++i) {
      const Bytes frame = numbered_frame(100 * cpu + i, 100);
      queues[frame] = std::to_string(cpu);
      sender.send(frame);
    }
  }
  EXPECT_EQ(delivered.receive(queues.size()).size(), queues.size());
  capture.stop();
  const std::vector<Captured> packets = read_capture(rig.file("out.pcapng"));
  EXPECT_EQ(packets.size(), queues.size());
  for (std::size_t i = 0; i < packets.size(); ++i) {
    EXPECT_EQ(packets[i].queue, queues[packets[i].bytes]);
    EXPECT_EQ(packets[i].comment, "") << "one interface";
  }
}

}  // namespace
}  // namespace xdpcap::test

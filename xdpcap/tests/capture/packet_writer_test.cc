// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/packet_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "xdpcap/tests/capture/pcapng_walk.h"
#include "xdpcap/tests/capture/scripted_sink.h"

namespace xdpcap {
namespace {

class FixedTime final : public TimeSource {
 public:
  std::uint64_t monotonic_ns() override { return 0; }
  std::uint64_t realtime_ns() override { return 1'000'000; }
};

constexpr std::array<std::uint8_t, 4> kBytes{0xaa, 0xbb, 0xcc, 0xdd};

// A file with interfaces for Drop and Pass.
class PacketWriterTest : public testing::Test {
 protected:
  PacketWriterTest() {
    PcapngSection section;
    section.interfaces.resize(2);
    output_.emplace(std::move(PcapngWriter::start(sink_, section)).value());
    use_sole(7);
  }
  void use_sole(std::optional<std::uint32_t> ifindex) {
    writer_.emplace(*output_, clock_, std::vector{Action::Drop, Action::Pass}, ifindex);
  }
  void write(Packet packet) {
    packet.bytes = kBytes;
    packet.wire_length_bytes = 4;
    ASSERT_TRUE(writer_->write(packet));
  }
  std::vector<test::WalkedPacket> written() {
    EXPECT_TRUE(output_->flush());
    return test::walk_packets(sink_.bytes);
  }

  test::ScriptedSink sink_;
  FixedTime time_;
  WallClock clock_{time_};
  std::optional<PcapngWriter> output_;
  std::optional<PacketWriter> writer_;
};

TEST_F(PacketWriterTest, ChoosesInterfaceAndTime) {
  write({.ktime_ns = 5, .action = Action::Pass});
  write({.ktime_ns = 6, .action = Action::Drop});
  const std::vector<test::WalkedPacket> packets = written();
  ASSERT_EQ(packets.size(), 2U);
  EXPECT_EQ(packets[0].interface, 1U);
  EXPECT_EQ(packets[1].interface, 0U);
  EXPECT_EQ(packets[0].time_ns, 1'000'005U);
  EXPECT_EQ(packets[0].captured_bytes, 4U);
}

std::vector<std::string> comments(const std::vector<test::WalkedPacket>& packets) {
  std::vector<std::string> all;
  std::ranges::transform(packets, std::back_inserter(all), &test::WalkedPacket::comment);
  return all;
}

TEST_F(PacketWriterTest, NamesEachIngressInterfaceButTheSoleOne) {
  for (const std::uint32_t ifindex : {7U, 8U, 8U, 7U, 4294967295U, 8U, 7U}) {
    write({.ifindex = ifindex, .action = ifindex == 7 ? Action::Drop : Action::Pass});
  }
  const std::string of_8 = "ingress interface index 8";
  EXPECT_EQ(comments(written()),
            (std::vector<std::string>{"", of_8, of_8, "", "ingress interface index 4294967295",
                                      of_8, ""}));
}

TEST_F(PacketWriterTest, WithoutASoleInterfaceEachPacketNamesItsOwn) {
  use_sole(std::nullopt);
  for (const std::uint32_t ifindex : {7U, 7U, 0U, 7U}) {
    write({.ifindex = ifindex, .action = Action::Drop});
  }
  const std::string of_7 = "ingress interface index 7";
  EXPECT_EQ(comments(written()),
            (std::vector<std::string>{of_7, of_7, "ingress interface index 0", of_7}));
}

// docs/pcapng.md has the number.
TEST_F(PacketWriterTest, ACommentTakes32Bytes) {
  std::uint64_t before_bytes = 0;
  const auto block_bytes = [&](std::uint32_t ifindex) {
    write({.ifindex = ifindex, .action = Action::Drop});
    EXPECT_TRUE(output_->flush());
    return sink_.bytes.size() - std::exchange(before_bytes, sink_.bytes.size());
  };
  block_bytes(7);
  const std::uint64_t without_bytes = block_bytes(7);
  EXPECT_EQ(block_bytes(8), without_bytes + 32);
  EXPECT_EQ(block_bytes(9999), without_bytes + 32);
  EXPECT_EQ(block_bytes(10000), without_bytes + 36);
}

TEST_F(PacketWriterTest, CountsLossesByActionAndRing) {
  struct Step {
    std::uint32_t lost;
    std::uint32_t ring;
    Action action;
    std::uint64_t expected;
  };
  constexpr Step kSteps[] = {
      {0, 0, Action::Drop, 0},
      {3, 0, Action::Drop, 3},
      {3, 0, Action::Drop, 0},
      {3, 1, Action::Drop, 3},
      {2, 0, Action::Pass, 2},
      {10, 0, Action::Drop, 7},
      {4, 5000, Action::Drop, 4},
      {9, 0, Action::Drop, 0},
      {11, 0, Action::Drop, 2},
      // The count in a record is the lower half, and starts anew.
      {0x7fffffff, 0, Action::Drop, 0x7ffffff4},
      {0xfffffff0, 0, Action::Drop, 0x7ffffff1},
      {5, 0, Action::Drop, 21},
  };
  for (const Step& step : kSteps) {
    write({.lost_packets = step.lost, .ring = step.ring, .action = step.action});
  }
  const std::vector<test::WalkedPacket> packets = written();
  ASSERT_EQ(packets.size(), std::size(kSteps));
  for (std::size_t i = 0; i < packets.size(); ++i) {
    EXPECT_EQ(packets[i].lost_before, kSteps[i].expected) << i;
  }
}

TEST_F(PacketWriterTest, CountsWhatItCannotWrite) {
  write({.action = Action::Drop});
  EXPECT_EQ(written().size(), 1U);
  writer_->close();
  write({.action = Action::Drop});
  write({.action = Action::Tx});
  EXPECT_EQ(written().size(), 1U);
  EXPECT_EQ(writer_->taken(Action::Drop), 2U);
  EXPECT_EQ(writer_->delivered(Action::Drop), 1U);
  EXPECT_EQ(writer_->taken(Action::Tx), 1U);
  EXPECT_EQ(writer_->delivered(Action::Tx), 0U);
}

}  // namespace
}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause

#include "capture/packet_writer.h"

#include <gtest/gtest.h>

#include <array>

#include "pcapng_walk.h"
#include "scripted_sink.h"

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
    writer_.emplace(*output_, clock_, std::vector{Action::Drop, Action::Pass});
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

TEST_F(PacketWriterTest, NamesTheIngressInterfaceWhenItChanges) {
  write({.ifindex = 7, .action = Action::Drop});
  write({.ifindex = 7, .action = Action::Drop});
  write({.ifindex = 7, .action = Action::Pass});
  write({.ifindex = 8, .action = Action::Drop});
  write({.ifindex = 7, .action = Action::Pass});
  const std::vector<test::WalkedPacket> packets = written();
  ASSERT_EQ(packets.size(), 5U);
  EXPECT_EQ(packets[0].comment, "ingress interface index 7");
  EXPECT_EQ(packets[1].comment, "");
  EXPECT_EQ(packets[2].comment, "ingress interface index 7");
  EXPECT_EQ(packets[3].comment, "ingress interface index 8");
  EXPECT_EQ(packets[4].comment, "");
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

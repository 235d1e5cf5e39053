// SPDX-License-Identifier: BSD-3-Clause
//
// Two interfaces on one hook: the file says of each packet which one it came in on.

#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;

constexpr std::uint32_t kFramesEach = 3;

/// The rig, and a second interface, xc0, that can get the same target.
class TwoInterfaces {
 public:
  void attach_second() {
    const auto inside = rig_.observed().enter();
    second_link_ = attach_xdp(rig_.target().program_fd(), second());
  }
  const Rig& rig() const { return rig_; }
  std::uint32_t first() const { return rig_.observed_ifindex(); }
  std::uint32_t second() const { return rig_.observed().left_ifindex(); }

  /// Frames with several actions, one to the first, one to the second, and so on.
  void send(std::uint32_t from) const {
    const PacketSocket to_first = rig_.sending();
    const PacketSocket to_second(rig_.observed(), "xc1");
    for (std::uint32_t i = from; i < from + kFramesEach; ++i) {
      to_first.send(order_frame(kDrop, 2 * i, 60));
      to_second.send(order_frame(i % 2 == 0 ? kDrop : kAborted, 2 * i + 1, 61));
    }
  }

 private:
  Rig rig_;
  UniqueFd second_link_;
};

/// By the sizes of their frames: what tshark shows of packets.
void expect_named(const std::string& path, std::size_t packets, const std::string& of_first,
                  const std::string& of_second, const std::string& description) {
  const std::vector<std::string> lines =
      fields_with_tshark(path, {"frame.len", "frame.comment", "frame.interface_description"});
  EXPECT_EQ(lines.size(), packets);
  for (const std::string& line : lines) {
    const std::vector<std::string> fields = split(line, '|');
    ASSERT_EQ(fields.size(), 3U) << line;
    EXPECT_EQ(fields[1], fields[0] == "60" ? of_first : of_second) << line;
    EXPECT_THAT(fields[2], HasSubstr(description));
  }
  EXPECT_EQ(count_with_tcpdump(path), packets);
}

std::string comment(std::uint32_t ifindex) {
  return fmt::format("ingress interface index {}", ifindex);
}

class Ingress : public EndToEndTest {};

TEST_F(Ingress, OfTwoInterfacesEachPacketNamesItsOwn) {
  TwoInterfaces two;
  two.attach_second();
  const Rig& rig = two.rig();
  const auto inside = rig.observed().enter();
  Capture capture(rig.target().hook_fd(), {rig.hook(), rig.file("out")});
  two.send(0);
  capture.stop();
  expect_named(rig.file("out"), 2 * std::size_t{kFramesEach}, comment(two.first()),
               comment(two.second()),
               fmt::format("ingress interface in each packet's comment: {} (xc0), {} (to_a)",
                           two.second(), two.first()));
}

TEST_F(Ingress, OfOneInterfaceIsInTheSectionUntilAnotherComes) {
  TwoInterfaces two;
  const Rig& rig = two.rig();
  const UniqueFd file(::open(rig.file("out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  Capture capture(rig.target().hook_fd(), {rig.hook(), "-"}, 5, {.out = file.get()});
  two.attach_second();
  two.send(0);
  capture.stop();
  expect_named(
      rig.file("out"), 2 * std::size_t{kFramesEach}, "", comment(two.second()),
      fmt::format("ingress interface index {} (to_a, network namespace {}), unless a packet's "
                  "comment names another",
                  two.first(), rig.observed().name()));
}

// Numbers of interfaces begin anew in each network namespace.
TEST_F(Ingress, OfOneInterfaceIsNotClaimedWhileAnotherNamespaceHasOneOfTheSameNumber) {
  const Rig rig;
  const NetNamespace other;
  other.run(fmt::format("ip link add same index {} type veth peer name peer index 100",
                        rig.observed_ifindex()));
  UniqueFd link;
  {
    const auto elsewhere = other.enter();
    link = attach_xdp(rig.target().program_fd(), rig.observed_ifindex(), false);
  }
  const auto inside = rig.observed().enter();
  Capture capture(rig.target().hook_fd(), {rig.hook(), rig.file("out")});
  rig.sending().send(order_frame(kDrop, 0, 60));
  capture.stop();
  expect_named(
      rig.file("out"), 1, comment(rig.observed_ifindex()), "",
      fmt::format("ingress interface in each packet's comment: {}", rig.observed_ifindex()));
}

TEST_F(Ingress, IsInEachDumpOfAFlightRecorder) {
  TwoInterfaces two;
  two.attach_second();
  const Rig& rig = two.rig();
  Capture capture(rig.target().hook_fd(), {"-ring", "1M", rig.hook(), rig.file("out")});
  two.send(0);
  capture.process().signal(SIGUSR1);
  EXPECT_TRUE(becomes_true(
      [&] { return capture.process().errors().find("packets written to") != std::string::npos; }));
  two.send(kFramesEach);
  capture.stop();
  expect_named(rig.file("out"), 4 * std::size_t{kFramesEach}, comment(two.first()),
               comment(two.second()), "ingress interface in each packet's comment");
}

// Who may not look knows no interface beforehand.
TEST_F(Ingress, IsOnEachPacketWhereItCannotBeKnownBefore) {
  TwoInterfaces two;
  const Rig& rig = two.rig();
  const UniqueFd file(::open(rig.file("out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  Process capture({"setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin",
                   XDPCAP_COMMAND, rig.hook(), "-"},
                  {.out = file.get()});
  ASSERT_TRUE(becomes_true([&] { return filled_slots(rig.target().hook_fd()) == 5; }))
      << capture.errors();
  note_bpf_objects(capture.pid());
  two.attach_second();
  two.send(0);
  capture.signal(SIGINT);
  EXPECT_EQ(capture.wait().exit_code, 0) << capture.errors();
  expect_named(rig.file("out"), 2 * std::size_t{kFramesEach}, comment(two.first()),
               comment(two.second()), "ingress interface in each packet's comment");
}

}  // namespace
}  // namespace xdpcap::test

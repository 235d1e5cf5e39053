// SPDX-License-Identifier: BSD-3-Clause
//
// Packets that lie in several buffers, on a veth pair with an MTU of 9000: captured byte for byte.

#include <gtest/gtest.h>

#include <algorithm>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

constexpr std::uint32_t kMtu = 9000;
constexpr std::uint32_t kMostFrameBytes = kMtu + 14;

// Sizes around the linear part, page multiples behind it, and the ends of the range.
std::vector<Bytes> frames() {
  constexpr std::uint32_t kLinearBytes = 3520;
  constexpr std::uint32_t kPageBytes = 4096;
  std::vector<std::uint32_t> sizes = {60, 64, 1514, 8000, kMostFrameBytes - 1, kMostFrameBytes};
  for (const std::uint32_t middle : {kLinearBytes, kPageBytes, 2 * kPageBytes,
                                     kLinearBytes + kPageBytes, kMostFrameBytes - kPageBytes}) {
    for (const std::uint32_t size : {middle - 14, middle - 1, middle, middle + 1, middle + 14}) {
      sizes.push_back(size);
    }
  }
  std::vector<Bytes> all;
  for (const std::uint32_t size : sizes) {
    all.push_back(numbered_frame(static_cast<std::uint32_t>(all.size()), size));
  }
  return all;
}

class Jumbo : public EndToEndTest {};
class JumboSnapLength : public EndToEndTest, public testing::WithParamInterface<std::uint32_t> {};

TEST_P(JumboSnapLength, FramesAreCapturedByteForByteUpToTheSnapLength) {
  const std::uint32_t snaplen_bytes = GetParam();
  const Rig rig({.target = {.variant = {.expected_attach_type = 37, .multi_buffer = true}},
                 .net = {.mtu = kMtu}});
  std::vector<std::string> arguments = {rig.hook(), rig.file("out.pcapng")};
  if (snaplen_bytes != 0) {
    arguments.insert(arguments.begin(), {"-s", std::to_string(snaplen_bytes)});
  }
  Capture capture(rig.target().hook_fd(), arguments);
  const PacketSocket delivered = rig.delivered();
  const std::vector<Bytes> sent = frames();
  rig.sending().send(sent);
  EXPECT_EQ(delivered.receive(sent.size()), sent);
  capture.stop();
  const std::vector<Captured> packets = read_capture(rig.file("out.pcapng"));
  ASSERT_EQ(packets.size(), sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    Bytes expected = sent[i];
    if (snaplen_bytes != 0) {
      expected.resize(std::min<std::size_t>(expected.size(), snaplen_bytes));
    }
    EXPECT_EQ(packets[i].wire_length_bytes, sent[i].size());
    EXPECT_TRUE(packets[i].bytes == expected) << "the frame of " << sent[i].size() << " bytes";
  }
}

// The linear part has the first 3,520 bytes on veth.
TEST_F(Jumbo, FiltersSeeAllBytesAndTheLength) {
  const Rig rig({.target = {.variant = {.expected_attach_type = 37, .multi_buffer = true}},
                 .net = {.mtu = kMtu}});
  const PacketSocket delivered = rig.delivered();
  const std::vector<Bytes> sent = {numbered_frame(1, 3000), numbered_frame(2, 3520),
                                   numbered_frame(3, 8996)};
  const auto captured = [&](const std::string& filter) {
    Capture capture(rig.target().hook_fd(), {rig.hook(), rig.file("out.pcapng"), filter});
    rig.sending().send(sent);
    EXPECT_EQ(delivered.receive(sent.size()).size(), sent.size());
    capture.stop();
    return packets_in(rig.file("out.pcapng"));
  };
  const std::string last_linear_byte = std::to_string(std::uint32_t{sent[2][3519]});
  EXPECT_TRUE(captured("ether[3519] = " + last_linear_byte) == std::vector<Bytes>{sent[2]});
  EXPECT_TRUE(captured("greater 3520") == (std::vector<Bytes>{sent[1], sent[2]}));
  EXPECT_TRUE(captured("greater 3521") == std::vector<Bytes>{sent[2]});
  EXPECT_TRUE(captured("len = 8996") == std::vector<Bytes>{sent[2]});
  EXPECT_TRUE(captured("less 8995") == (std::vector<Bytes>{sent[0], sent[1]}));
  EXPECT_TRUE(captured("ether[3520] >= 0") == std::vector<Bytes>{sent[2]});
  const auto byte_at = [&](std::size_t offset) {
    return std::to_string(offset) + "] = " + std::to_string(std::uint32_t{sent[2].at(offset)});
  };
  EXPECT_TRUE(captured("ether[" + byte_at(8995)) == std::vector<Bytes>{sent[2]});
  EXPECT_TRUE(captured("ether[" + byte_at(3520) + " and ether[" + byte_at(7616)) ==
              std::vector<Bytes>{sent[2]});
  EXPECT_TRUE(
      captured("len > 100 and ether[len - 1] = " + std::to_string(std::uint32_t{sent[2].back()}) +
               " and greater 8000") == std::vector<Bytes>{sent[2]});
  EXPECT_TRUE(captured("ether[8996] >= 0").empty());
}

INSTANTIATE_TEST_SUITE_P(SnapLengths, JumboSnapLength, testing::Values(0U, 64U, 4000U));

}  // namespace
}  // namespace xdpcap::test

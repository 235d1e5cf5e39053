// SPDX-License-Identifier: BSD-3-Clause
//
// Filters on packets of several buffers, whose first has 3,520 bytes here: what the kernel says of each packet is what
// the interpreter says of all its bytes.

#include "xdpcap/program/filter_code.h"

#include <cbpfc/pcap_filter.h>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "verify/interpreter/interpret.h"
#include "xdpcap/kernel/cpus.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/program/abi.h"
#include "xdpcap/program/capture_program.h"
#include "xdpcap/tests/kernel/bpf_fixture.h"

namespace xdpcap {
namespace {

constexpr std::uint32_t kLinearBytes = 3520;

cbpfc::Filter filter_of(const std::string& expression) {
  const auto raw = cbpfc::compile_expression(expression);
  EXPECT_TRUE(raw) << expression << ": " << raw.error().message;
  return cbpfc::Filter::decode(*raw, cbpfc::Accept::Compiler).value();
}

/// A program that counts what a filter matches.
class Counting {
 public:
  explicit Counting(const cbpfc::Filter& filter)
      : counters_(create_per_cpu_array("test_counters", sizeof(abi::Counters), 5).value()),
        whole_(create_array("test_whole", kWholePacketBytes, possible_cpus().value()).value()) {
    const auto insns = build_capture_program(filter, {.action = Action::Pass,
                                                      .counters_fd = counters_.get(),
                                                      .whole_packets_fd = whole_.get(),
                                                      .counts_only = true});
    EXPECT_TRUE(insns.has_value());
    Result<UniqueFd> program = load_xdp_program({.name = "test_filter",
                                                 .insns = *insns,
                                                 .expected_attach_type = kAttachTypeXdp,
                                                 .multi_buffer = true});
    EXPECT_TRUE(program.has_value()) << program.error().message << program.error().detail;
    if (program.has_value()) {
      program_ = std::move(*program);
    }
  }

  bool matches(std::span<const std::uint8_t> packet) {
    const test::RunResult result = test::test_run(program_.get(), packet);
    EXPECT_EQ(result.action, index(Action::Pass));
    EXPECT_TRUE(std::ranges::equal(result.packet, packet)) << "the packet was changed";
    const std::uint64_t now = matched();
    return std::exchange(before_, now) != now;
  }

 private:
  std::uint64_t matched() const {
    constexpr std::size_t kNumbers = sizeof(abi::Counters) / sizeof(std::uint64_t);
    const auto numbers =
        read_per_cpu_numbers(counters_.get(), static_cast<std::uint32_t>(index(Action::Pass)),
                             kNumbers)
            .value();
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < numbers.size(); i += kNumbers) {
      sum += numbers[i + 1];
    }
    return sum;
  }

  UniqueFd counters_;
  UniqueFd whole_;
  UniqueFd program_;
  std::uint64_t before_ = 0;
};

class FilterCode : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

std::vector<std::uint8_t> random_packet(std::mt19937& random, std::size_t size) {
  std::vector<std::uint8_t> packet(size);
  for (std::uint8_t& byte : packet) {
    byte = static_cast<std::uint8_t>(random() %
                                     4);  // few values, so that comparisons hold now and then
  }
  if (size >= 24 && random() % 2 == 0) {
    packet[12] = 0x08;  // IPv4, of which some have options
    packet[13] = 0x00;
    packet[14] = static_cast<std::uint8_t>(0x45 + random() % 3);
    packet[20] = packet[21] = 0;
    packet[23] = random() % 2 == 0 ? 6 : 17;
  }
  return packet;
}

/// Of the packets, how many matched.
std::size_t expect_agreement(const std::string& expression, std::mt19937& random) {
  const cbpfc::Filter filter = filter_of(expression);
  Counting counting(filter);
  std::size_t matches = 0;
  for (const std::size_t size :
       {60U, 64U, 100U, 1514U, kLinearBytes - 1, kLinearBytes, kLinearBytes + 1, kLinearBytes + 3,
        4000U, 7615U, 7617U, 9014U, 30000U}) {
    for (int i = 0; i < 4; ++i) {
      const std::vector<std::uint8_t> packet = random_packet(random, size);
      const bool expected =
          cbpfc::interpret(filter, packet, static_cast<std::uint32_t>(size)).value() != 0;
      EXPECT_EQ(counting.matches(packet), expected) << expression << ", " << size << " bytes";
      matches += expected ? 1 : 0;
    }
  }
  return matches;
}

TEST_F(FilterCode, SeesAllBytesOfAllPackets) {
  std::mt19937 random(1);
  std::size_t matches = 0;
  for (const char* expression : {
           "",
           "ip and udp port 257",
           "tcp[tcpflags] & tcp-syn != 0",
           "ether[3518:4] & 1 = 0",
           "ether[3519:2] > 256",
           "ether[3520] = 1",
           "ether[8000] = 1 or ether[20] = 1",
           "not ether[4000] = 1",
           "ether[ether[100] * 1200 + 3510] = 2",
           "ether[len - 1] = 1",
           "ether[len - 3518 : 4] != 0",
           "len > 3520 and ether[3000] < 2",
           "less 3521",
           "greater 9014 and ether[9013] > 0",
           "ether[60] = 1 and ether[3600] = 1",
           "ip[3700:2] % 3 = 1",
       }) {
    matches += expect_agreement(expression, random);
  }
  EXPECT_GT(matches, 100U);
}

TEST_F(FilterCode, RandomOffsets) {
  std::mt19937 random(2);
  std::size_t matches = 0;
  for (int i = 0; i < 60; ++i) {
    const auto offset = [&] { return random() % (random() % 2 == 0 ? 200 : 9100); };
    matches += expect_agreement(
        fmt::format("(ether[{}] & 1 = {} or ether[{}:2] > 257) and not ether[{}:4] & 3 = 1",
                    offset(), random() % 2, offset(), offset()),
        random);
  }
  EXPECT_GT(matches, 300U);
}

TEST_F(FilterCode, AncillaryLoadsSayTheSameInOneBufferAndInSeveral) {
  // In the order of programs: whether ldb [at] is 1, behind a load and a comparison that holds for some packets.
  struct Load {
    std::uint32_t k;  ///< SKF_AD_OFF and behind, SKF_NET_OFF
    std::uint32_t right;
  };
  std::mt19937 random(3);
  std::size_t matches = 0;
  for (const Load load :
       {Load{0xfffff000, 0x0800}, Load{0xfffff004, 2}, Load{0xfffff008, 1}, Load{0xfffff018, 0},
        Load{0xfffff02c, 5}, Load{0xfffff030, 1}, Load{0xfffff034, 42}, Load{0xfffff03c, 0x8100},
        Load{0xfff00000, 0x45000000}}) {
    for (const std::uint32_t at : {20U, 3519U, 3520U, 5000U}) {
      const std::vector<cbpfc::RawInsn> program = {
          {.code = 0x20, .k = load.k}, {.code = 0x15, .jt = 0, .jf = 3, .k = load.right},
          {.code = 0x30, .k = at},     {.code = 0x15, .jt = 0, .jf = 1, .k = 1},
          {.code = 0x06, .k = 1},      {.code = 0x06, .k = 0}};
      const cbpfc::Filter filter = cbpfc::Filter::decode(program).value();
      Counting counting(filter);
      for (int i = 0; i < 30; ++i) {
        const std::size_t size = i % 2 == 0 ? 60 + random() % 100 : 3510 + random() % 3000;
        std::vector<std::uint8_t> packet = random_packet(random, size);
        packet[14] = packet[12] == 0x08 ? 0x45 : packet[14];
        packet[15] = 0;
        if (i % 3 == 0) {
          const std::vector<std::uint8_t> tag = {0x81, 0x00, 0x00, 0x05};
          packet.insert(packet.begin() + 12, tag.begin(), tag.end());
        }
        const bool expected =
            cbpfc::interpret(filter, packet, static_cast<std::uint32_t>(packet.size()),
                             {.from_frame = true, .ifindex = 1, .rx_queue = 0})
                .value() != 0;
        EXPECT_EQ(counting.matches(packet), expected)
            << fmt::format("load {:#x}, then {}, {} bytes", load.k, at, packet.size());
        matches += expected ? 1 : 0;
      }
    }
  }
  EXPECT_GT(matches, 50U);
}

TEST_F(FilterCode, NoMatchBehindWhatABufferHolds) {
  std::vector<std::uint8_t> packet(70'000, 1);
  EXPECT_TRUE(Counting(filter_of("ether[65534] = 1")).matches(packet));
  EXPECT_FALSE(Counting(filter_of("ether[65535] = 1")).matches(packet));
  EXPECT_TRUE(Counting(filter_of("len = 70000")).matches(packet));
  EXPECT_TRUE(Counting(filter_of("len = 70000 and ether[60000] = 1")).matches(packet));
}

}  // namespace
}  // namespace xdpcap

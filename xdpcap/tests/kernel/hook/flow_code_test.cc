// SPDX-License-Identifier: BSD-3-Clause
//
// Which flow a packet belongs to, as the kernel computes it.

#include "xdpcap/program/flow_code.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/program/abi.h"
#include "xdpcap/tests/kernel/bpf_fixture.h"

namespace xdpcap {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// A program that leaves a packet's key in a map.
class KeyOf {
 public:
  KeyOf() : map_(create_array("test_key", sizeof(abi::FlowKey), 1).value()) {
    using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace)
    constexpr std::int16_t kKeyOffset = -48;
    Assembly code;
    code.add(mov(Reg::R6, Reg::R1));
    emit_flow_key(code, Reg::R6, kKeyOffset);
    code.add_map_value(Reg::R1, map_.get(), 0);
    for (std::int16_t i = 0; i < 40; i = static_cast<std::int16_t>(i + 8)) {
      code.add(load(Width::Double, Reg::R2, Reg::R10, static_cast<std::int16_t>(kKeyOffset + i)));
      code.add(store(Width::Double, Reg::R1, i, Reg::R2));
    }
    code.add(mov(Reg::R0, 2));
    code.add(exit_insn());
    Result<UniqueFd> program = load_xdp_program({.name = "test_flow",
                                                 .insns = code.assemble().value(),
                                                 .expected_attach_type = kAttachTypeXdp});
    EXPECT_TRUE(program.has_value()) << program.error().message << program.error().detail;
    program_ = std::move(*program);
  }

  abi::FlowKey operator()(const Bytes& packet) const {
    EXPECT_EQ(test::test_run(program_.get(), packet).action, 2U);
    abi::FlowKey key{};
    const std::uint32_t zero = 0;
    EXPECT_EQ(bpf_map_lookup_elem(map_.get(), &zero, &key), 0);
    return key;
  }

 private:
  UniqueFd map_;
  UniqueFd program_;
};

void put(Bytes& packet, std::size_t at, std::initializer_list<int> bytes) {
  for (const int byte : bytes) {
    packet.at(at++) = static_cast<std::uint8_t>(byte);
  }
}

/// Ethernet with these tags, then `payload`.
Bytes frame(std::initializer_list<std::uint16_t> tags, std::uint16_t ether_type,
            const Bytes& payload) {
  Bytes packet(12, 2);
  const auto put_half = [&](std::uint16_t half) {
    packet.push_back(static_cast<std::uint8_t>(half >> 8U));
    packet.push_back(static_cast<std::uint8_t>(half & 0xffU));
  };
  for (const std::uint16_t tag : tags) {
    put_half(tag);
    put_half(5);
  }
  put_half(ether_type);
  packet.insert(packet.end(), payload.begin(), payload.end());
  packet.resize(std::max<std::size_t>(packet.size(), 14));
  return packet;
}

/// 192.0.2.1 to 192.0.2.2 with `option_bytes` of options, ports 0x1234 and 0x5678.
Bytes ip4(int protocol, std::size_t option_bytes = 0, int fragment = 0) {
  Bytes packet(20 + option_bytes + 8, 0);
  put(packet, 0, {static_cast<int>(0x45 + option_bytes / 4)});
  put(packet, 6, {fragment >> 8, fragment & 0xff});
  put(packet, 9, {protocol});
  put(packet, 12, {192, 0, 2, 1, 192, 0, 2, 2});
  put(packet, 20 + option_bytes, {0x12, 0x34, 0x56, 0x78});
  return packet;
}

abi::FlowKey key4(int protocol, bool has_ports) {
  abi::FlowKey key{};
  std::memcpy(key.source, "\xc0\x00\x02\x01", 4);
  std::memcpy(key.destination, "\xc0\x00\x02\x02", 4);
  if (has_ports) {
    std::memcpy(key.source_port, "\x12\x34\x56\x78", 4);
  }
  std::memcpy(key.ether_type, "\x08\x00", 2);
  key.protocol = static_cast<std::uint8_t>(protocol);
  return key;
}

/// For comparisons that show what differs.
std::string text(const abi::FlowKey& key) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&key);
  return fmt::format("{:02x}", fmt::join(bytes, bytes + sizeof(key), " "));
}

class FlowCode : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

TEST_F(FlowCode, OfIpVersion4) {
  const KeyOf key_of;
  for (const int protocol : {6, 17, 132, 136}) {
    EXPECT_EQ(text(key_of(frame({}, 0x0800, ip4(protocol)))), text(key4(protocol, true)));
  }
  EXPECT_EQ(text(key_of(frame({}, 0x0800, ip4(1)))), text(key4(1, false))) << "ICMP";
  EXPECT_EQ(text(key_of(frame({}, 0x0800, ip4(6, 40)))), text(key4(6, true))) << "options";
  EXPECT_EQ(text(key_of(frame({}, 0x0800, ip4(6, 0, 0x2000)))), text(key4(6, true)))
      << "the first fragment";
  EXPECT_EQ(text(key_of(frame({}, 0x0800, ip4(6, 0, 0x0001)))), text(key4(6, false)))
      << "a later fragment";
}

TEST_F(FlowCode, BehindTags) {
  const KeyOf key_of;
  EXPECT_EQ(text(key_of(frame({0x8100}, 0x0800, ip4(17)))), text(key4(17, true)));
  EXPECT_EQ(text(key_of(frame({0x88a8, 0x8100}, 0x0800, ip4(17)))), text(key4(17, true)));
  abi::FlowKey third{};
  std::memcpy(third.ether_type, "\x81\x00", 2);
  EXPECT_EQ(text(key_of(frame({0x8100, 0x8100, 0x8100}, 0x0800, ip4(17)))), text(third));
}

TEST_F(FlowCode, OfIpVersion6) {
  const KeyOf key_of;
  Bytes packet(48, 0);
  put(packet, 0, {0x60});
  put(packet, 6, {6});
  abi::FlowKey expected{};
  for (int i = 0; i < 16; ++i) {
    packet[8 + static_cast<std::size_t>(i)] = expected.source[i] = static_cast<std::uint8_t>(i + 1);
    packet[24 + static_cast<std::size_t>(i)] = expected.destination[i] =
        static_cast<std::uint8_t>(i + 101);
  }
  put(packet, 40, {0x12, 0x34, 0x56, 0x78});
  std::memcpy(expected.source_port, "\x12\x34\x56\x78", 4);
  std::memcpy(expected.ether_type, "\x86\xdd", 2);
  expected.protocol = 6;
  EXPECT_EQ(text(key_of(frame({}, 0x86dd, packet))), text(expected));
  EXPECT_EQ(text(key_of(frame({0x8100}, 0x86dd, packet))), text(expected));
  packet[6] = expected.protocol = 44;  // a fragment header
  std::memset(expected.source_port, 0, 4);
  EXPECT_EQ(text(key_of(frame({}, 0x86dd, packet))), text(expected));
}

TEST_F(FlowCode, OfWhatIsNotIpAndOfPacketsCutAnywhere) {
  const KeyOf key_of;
  abi::FlowKey arp{};
  std::memcpy(arp.ether_type, "\x08\x06", 2);
  EXPECT_EQ(text(key_of(frame({}, 0x0806, Bytes(28, 9)))), text(arp));
  const Bytes whole = frame({0x8100}, 0x0800, ip4(17, 40));
  for (std::size_t size = 14; size <= whole.size(); ++size) {
    const abi::FlowKey key =
        key_of(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
    EXPECT_EQ(key.padding, 0U);
    if (size < 18) {
      EXPECT_EQ(text(key), text({})) << size;
    }
  }
}

}  // namespace
}  // namespace xdpcap

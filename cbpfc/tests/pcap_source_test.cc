// SPDX-License-Identifier: BSD-3-Clause
//
// Expressions over the packets of files, against libpcap reading such a file; and the loads of libpcap's programs
// that the kernel takes for others.

#include <cbpfc/compile.h>
#include <cbpfc/pcap_filter.h>
#include <gtest/gtest.h>
#include <pcap.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "verify/interpreter/interpret.h"

namespace cbpfc {
namespace {

constexpr int kNull = 0, kEthernet = 1, kRaw = 12, kLoop = 108, kEnc = 109, kRadiotap = 127,
              kJuniperEs = 132, kBacnet = 165, kPpi = 192;

using Packet = std::vector<std::uint8_t>;

Filter compile(const std::string& expression, const ExpressionOptions& options) {
  const auto program = compile_expression(expression, options);
  EXPECT_TRUE(program) << expression << ": " << program.error().message;
  auto filter = Filter::decode(program ? *program : std::vector<RawInsn>{{.code = 6}});
  EXPECT_TRUE(filter) << expression << ": " << filter.error().message;
  return filter ? *std::move(filter) : Filter::decode(std::vector<RawInsn>{{.code = 6}}).value();
}

bool matches(const Filter& filter, const Packet& packet) {
  const auto value = interpret(filter, packet, static_cast<std::uint32_t>(packet.size()));
  EXPECT_TRUE(value) << value.error().message;
  return value.value_or(0) != 0;
}

/// A packet with a family of four bytes in front, the first byte first.
Packet with_family(std::uint32_t family, bool is_big_endian, std::size_t size = 64) {
  Packet packet(size);
  packet[is_big_endian ? 3 : 0] = static_cast<std::uint8_t>(family);
  return packet;
}

/// What libpcap makes of an expression for the packets of a file without any.
std::vector<RawInsn> libpcap_program(const std::string& expression, int dlt, bool is_swapped) {
  const auto type = parse_link_type(std::to_string(dlt));
  std::array<std::uint32_t, 6> header = {0xa1b2c3d4, 0x00040002, 0, 0, 262144, type->linktype};
  if (is_swapped) {
    std::ranges::transform(header, header.begin(), [](auto v) { return __builtin_bswap32(v); });
    header[1] = 0x04000200;
  }
  std::array<char, PCAP_ERRBUF_SIZE> error = {};
  pcap_t* handle = pcap_fopen_offline(fmemopen(header.data(), sizeof header, "r"), error.data());
  EXPECT_NE(handle, nullptr) << error.data();
  bpf_program program = {};
  EXPECT_EQ(pcap_compile(handle, &program, expression.c_str(), 0, 0), 0);
  std::vector<RawInsn> insns;
  for (u_int i = 0; i < program.bf_len; ++i) {
    const bpf_insn& insn = program.bf_insns[i];
    insns.push_back({insn.code, insn.jt, insn.jf, insn.k});
  }
  pcap_freecode(&program);
  pcap_close(handle);
  return insns;
}

TEST(PacketSource, AFamilyIsThatOfEverySystemInTheOrderOfTheFile) {
  for (const int dlt : {kNull, kEnc, kLoop}) {
    for (const PacketSource source : {PacketSource::File, PacketSource::SwappedFile}) {
      const bool is_big_endian = dlt == kLoop || source == PacketSource::SwappedFile;
      const Filter ip = compile("ip", {.dlt = dlt, .source = source});
      const Filter ip6 = compile("ip6", {.dlt = dlt, .source = source});
      for (std::uint32_t family = 0; family < 256; ++family) {
        SCOPED_TRACE(testing::Message() << "link type " << dlt << ", family " << family);
        const Packet packet = with_family(family, is_big_endian);
        EXPECT_EQ(matches(ip, packet), family == 2);
        EXPECT_EQ(matches(ip6, packet), family == 24 || family == 28 || family == 30);
        if (family != 0) {
          const Packet other = with_family(family, !is_big_endian);
          EXPECT_FALSE(matches(ip, other));
          EXPECT_FALSE(matches(ip6, other));
        }
      }
    }
  }
}

TEST(PacketSource, WhatTheUserLoadsHimselfIsLeftAlone) {
  for (const PacketSource source : {PacketSource::File, PacketSource::SwappedFile}) {
    const Filter filter = compile("link[0:4] = 0x02000000", {.dlt = kNull, .source = source});
    EXPECT_TRUE(matches(filter, with_family(2, false)));
    EXPECT_FALSE(matches(filter, with_family(2, true)));
  }
}

TEST(PacketSource, InAFileTheNetmaskIsZero) {
  const auto live = compile_expression("ip broadcast", {});
  ASSERT_FALSE(live);
  EXPECT_NE(live.error().message.find("netmask"), std::string::npos);
  for (const PacketSource source : {PacketSource::File, PacketSource::SwappedFile}) {
    const Filter filter = compile("ip broadcast", {.source = source});
    Packet packet(40);
    packet[12] = 8;
    for (const auto& [last, matching] : {std::pair{0xff, true}, {0x00, true}, {0x01, false}}) {
      std::fill(packet.begin() + 30, packet.begin() + 34, static_cast<std::uint8_t>(last));
      EXPECT_EQ(matches(filter, packet), matching) << last;
    }
  }
}

TEST(PacketSource, AProgramIsLibpcapsForSuchAFile) {
  for (const bool is_swapped : {false, true}) {
    for (const int dlt : {kNull, kEthernet, kRaw, kLoop, kEnc, kRadiotap, kPpi}) {
      for (const char* expression : {"ip", "ip6 or udp port 53", "greater 100", "net 10.0.0.0/8"}) {
        const auto source = is_swapped ? PacketSource::SwappedFile : PacketSource::File;
        const auto program = compile_expression(expression, {.dlt = dlt, .source = source});
        ASSERT_TRUE(program) << program.error().message;
        EXPECT_EQ(*program, libpcap_program(expression, dlt, is_swapped)) << dlt << expression;
      }
    }
  }
}

TEST(PacketSource, AFileDoesNotTellTheDirection) {
  for (const int dlt : {kEthernet, kRadiotap, kPpi}) {
    for (const char* expression : {"inbound", "not inbound", "outbound", "ifindex 3"}) {
      const auto program =
          compile_expression(expression, {.dlt = dlt, .source = PacketSource::File});
      ASSERT_FALSE(program) << expression;
      EXPECT_NE(program.error().message.find("not supported on"), std::string::npos)
          << program.error().message;
    }
  }
}

TEST(PcapLoads, AnAncillaryLoadIsOneBehindAHeaderOfAnyLength) {
  struct Case {
    const char* expression;
    std::uint32_t offset;
    const char* name;
  };
  for (const int dlt : {kEthernet, kRadiotap, kPpi}) {
    for (const Case& c : {Case{"inbound", 4, "packet type"},
                          {"not inbound", 4, "packet type"},
                          {"outbound", 4, "packet type"},
                          {"ifindex 3", 8, "ifindex"}}) {
      SCOPED_TRACE(testing::Message() << c.expression << ", link type " << dlt);
      const Filter filter = compile(c.expression, {.dlt = dlt});
      int found = 0;
      for (const Insn& insn : filter.insns()) {
        const auto* load = std::get_if<LoadAncillary>(&insn);
        found += load != nullptr && load->offset == c.offset ? 1 : 0;
      }
      EXPECT_EQ(found, 1);
      const auto code = compile_ebpf(filter, {});
      ASSERT_FALSE(code);
      EXPECT_EQ(code.error().code, Errc::Unsupported);
      EXPECT_NE(code.error().message.find(c.name), std::string::npos) << code.error().message;
    }
  }
}

TEST(PcapLoads, AnAncillaryLoadBehindAHeaderHasItsAnswer) {
  Packet packet(64);  // radiotap's header of eight bytes, then a frame
  packet[2] = 8;
  const Filter filter = compile("ifindex 3", {.dlt = kRadiotap});
  EXPECT_NE(interpret(filter, packet, 64, {.ifindex = 3}).value(), 0U);
  EXPECT_EQ(interpret(filter, packet, 64, {.ifindex = 4}).value(), 0U);
}

/// What libpcap's own interpreter says.
bool libpcap_matches(const std::string& expression, int dlt, const Packet& packet) {
  pcap_t* handle = pcap_open_dead(dlt, 262144);
  bpf_program program = {};
  EXPECT_EQ(pcap_compile(handle, &program, expression.c_str(), 0, PCAP_NETMASK_UNKNOWN), 0);
  pcap_pkthdr header = {};
  header.caplen = header.len = static_cast<bpf_u_int32>(packet.size());
  const bool matches = pcap_offline_filter(&program, &header, packet.data()) != 0;
  pcap_freecode(&program);
  pcap_close(handle);
  return matches;
}

TEST(PcapLoads, AFieldBeforeThePacketEndsALongListToo) {
  std::string list = "clnp";
  for (int length = 30; length < 130; ++length) {
    list += " or len = " + std::to_string(length);
  }
  const auto program = compile_expression(list, {.dlt = kJuniperEs});
  ASSERT_TRUE(program) << program.error().message;
  const auto filter = Filter::decode(*program, Accept::Compiler);
  ASSERT_TRUE(filter) << filter.error().message;
  for (const Packet& start : {Packet{0x4d, 0x47, 0x43}, Packet{}}) {
    Packet packet = start;
    packet.resize(100);
    EXPECT_EQ(matches(*filter, packet), libpcap_matches(list, kJuniperEs, packet));
  }
}

TEST(PcapLoads, AFieldBeforeThePacketIsOutsideIt) {
  std::mt19937 random(1);
  const std::vector<Packet> starts = {{0x4d, 0x47, 0x43, 0, 0x81}, {0x55, 0xff, 0, 0}, {}};
  for (const int dlt : {kJuniperEs, kBacnet}) {
    for (const char* expression : {"isis", "clnp", "esis", "iso", "not isis", "not clnp",
                                   "clnp or greater 20", "greater 20 or clnp"}) {
      SCOPED_TRACE(testing::Message() << expression << ", link type " << dlt);
      const Filter filter = compile(expression, {.dlt = dlt, .may_match_nothing = true});
      for (const Packet& start : starts) {
        for (const std::size_t size : {0U, 4U, 5U, 30U}) {
          Packet packet = start;
          packet.resize(size);
          for (std::size_t i = start.size(); i < size; ++i) {
            packet[i] = static_cast<std::uint8_t>(random());
          }
          EXPECT_EQ(matches(filter, packet), libpcap_matches(expression, dlt, packet));
        }
      }
    }
  }
}

}  // namespace
}  // namespace cbpfc

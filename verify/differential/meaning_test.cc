// SPDX-License-Identifier: BSD-3-Clause
//
// An expression means what libpcap's own interpreter makes of libpcap's program for it, before libpcap's optimiser,
// which miscompiles one in ten thousand random filters (random_filters_test.cc).

#include "verify/differential/engines/meaning.h"

#include <cbpfc/compile.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace differential {
namespace {

/// A packet as hexadecimal digits with spaces.
Packet packet_of(std::string_view digits) {
  Packet packet;
  for (std::size_t at = 0; at < digits.size(); at += digits[at] == ' ' ? 1U : 2U) {
    if (digits[at] != ' ') {
      packet.push_back(
          static_cast<std::uint8_t>(std::stoul(std::string(digits.substr(at, 2)), nullptr, 16)));
    }
  }
  return packet;
}

constexpr std::string_view kEthernetIp = "020000000001 020000000002 0800 ";
constexpr std::string_view kEthernetIp6 = "020000000001 020000000002 86dd ";

TEST(Meaning, WhereLibpcapsOptimiserIsWrong) {
  const struct {
    const char* expression;
    std::string packet;
    bool matches;
  } rows[] = {
      {"tcp port 80 and not port 53 and not src host 10.1.2.4 and not port 443",
       std::string(kEthernetIp) + "4500 0028 0000 0000 4006 0000 0a010203 0a010209 "
                                  "01bb 0050 00000000 00000000 50100000 00000000",
       false},
      {"host 192.168.1.1 and not ((host 1.2.3.4 or host 5.6.7.8) and icmp) and "
       "not (host 5.6.7.8 or host 192.168.1.1)",
       std::string(kEthernetIp) +
           "4500 001c 0000 0000 4001 0000 c0a80101 0a010209 08000000 00000000",
       false},
      {"tcp[0:2] = tcp[4:2] and src port 43707 and tcp[8:4] == 0",
       std::string(kEthernetIp) + "4500 0028 0000 0000 4006 0000 0a010203 0a010209 "
                                  "aabb 0050 aabb0000 00000000 50100000 00000000",
       true},
      {"ip[1] & 0xffffffff = 0",
       std::string(kEthernetIp) + "4500 0028 0000 0000 4006 0000 0a010203 0a010209", true},
      {"1/2=1/3&&1>4/5&&1>6/7", std::string(kEthernetIp), true},
      {"port 25 or (tcp and port 8080) or host 172.16.4.1 or port 25 or (tcp and port 21)",
       std::string(kEthernetIp6) +
           "60000000 0014 06 40 20010db8000000000000000000000001 20010db8000000000000000000000002 "
           "0015 c000 00000000 00000000 50100000 00000000",
       true},
      {"tcp[0:2] = tcp[4:2] or tcp src and dst portrange 50-100",
       std::string(kEthernetIp) + "45e1 002a 0002 0000 4106 bca0 c0a80101 c0a80101 "
                                  "0050 0035 00000007 00000000 50160002 00000000",
       true},
      {"udp[0:2] = udp[2:2] or src or dst port 443",
       std::string(kEthernetIp) + "4500 0020 0000 0000 0111 0000 9deba321 ac100401 "
                                  "1f90 01bb 000c0000 00000000",
       true},
      {"not tcp[0:2] = tcp[4:2] and tcp src and dst port 53",
       std::string(kEthernetIp) + "4500 0028 0000 0000 4006 0000 c0a80101 01020304 "
                                  "0035 0035 00000001 00000000 50100000 00000000",
       true},
      {"106 & 35 >= (0 / icmp[6])",
       std::string(kEthernetIp) +
           "4500 001c 0000 0000 4001 0000 0a010203 0a010304 08000000 00000000",
       false},
      {"src and dst net 0.0.0.0/1 or dst host 1.2.3.4 and src and dst net 0.0.0.0/1",
       std::string(kEthernetIp) + "4500 0014 0000 0000 4011 0000 01020304 0a010304", true},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.expression);
    Meaning meaning;
    ASSERT_EQ(meaning.load(row.expression), "");
    const Packet packet = packet_of(row.packet);
    EXPECT_EQ(meaning.libpcap_matches(packet), row.matches);
    EXPECT_EQ(meaning.run(packet), "");
  }
}

TEST(Meaning, WhatMatchesEverythingIsAConstant) {
  const auto constant = cbpfc::Filter::decode(std::vector<cbpfc::RawInsn>{{.code = 6, .k = 1}});
  const std::size_t size = cbpfc::compile_ebpf(*constant, {})->size();
  for (const char* expression : {"", "1/2=1/3&&1>4/5&&1>6/7", "1 = 1", "not 1 = 2", "len >= 0",
                                 "greater 0", "0xffffffff + 1 = 0", "1 = 1 or tcp port 80"}) {
    const auto raw = cbpfc::compile_expression(expression);
    ASSERT_TRUE(raw) << expression << ": " << raw.error().message;
    EXPECT_EQ(cbpfc::compile_ebpf(*cbpfc::Filter::decode(*raw), {})->size(), size) << expression;
  }
}

}  // namespace
}  // namespace differential

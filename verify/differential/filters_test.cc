// SPDX-License-Identifier: BSD-3-Clause
//
// Every expression of verify/data/filters.txt, and those on which a compiler has been seen to fail,
// over packets made to match, to just miss, and cut at every length: every engine gives the same
// answer.

#include <cbpfc/pcap_filter.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "verify/differential/engines/all_engines.h"
#include "verify/differential/generators/packet_maker.h"

namespace differential {
namespace {

std::vector<std::string> expressions() {
  std::vector<std::string> lines;
  std::ifstream file(XDPCAP_TEST_DATA "/filters.txt");
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) {
      lines.push_back(line);
    }
  }
  return lines;
}

cbpfc::Filter compile(const std::string& expression) {
  const auto program = cbpfc::compile_expression(expression);
  EXPECT_TRUE(program) << program.error().message;
  auto filter = cbpfc::Filter::decode(*program, cbpfc::Accept::Compiler);
  EXPECT_TRUE(filter) << filter.error().message;
  return *std::move(filter);
}

/// Packets that match and packets that just miss.
std::vector<Packet> packets_for(const std::string& expression) {
  MadePackets made = make_packets(compile(expression), 3000, 8, 1);
  EXPECT_FALSE(made.matching.empty()) << "no matching packet could be made";
  EXPECT_FALSE(made.missing.empty()) << "no missing packet could be made";
  std::vector<Packet> all = std::move(made.matching);
  all.insert(all.end(), made.missing.begin(), made.missing.end());
  return all;
}

/// Runs every packet cut at every length up to 120 bytes, and whole.
void expect_agreement(Engines& engines, const cbpfc::Filter& filter,
                      const std::vector<Packet>& packets) {
  std::string failure = engines.load(filter);
  ASSERT_TRUE(failure.empty()) << failure;
  // The shortest apart from the others: the fragment for them is another program.
  for (const bool shorter : {false, true}) {
    for (const Packet& packet : packets) {
      for (std::size_t length = shorter ? 0 : kMinTestRunBytes;
           length <= std::min<std::size_t>(packet.size(), shorter ? kMinTestRunBytes - 1 : 120);
           ++length) {
        failure = engines.run({packet.data(), length});
        ASSERT_TRUE(failure.empty()) << failure;
      }
      if (!shorter && packet.size() > 120) {
        failure = engines.run(packet);
        ASSERT_TRUE(failure.empty()) << failure;
      }
    }
  }
}

void expect_agreement(Engines& engines, const std::string& expression) {
  SCOPED_TRACE(expression.substr(0, 200));
  expect_agreement(engines, compile(expression), packets_for(expression));
}

TEST(Filters, EnginesAgreeOnTheCorpus) {
  Engines engines;
  const std::vector<std::string> all = expressions();
  ASSERT_GT(all.size(), 40U);
  for (const std::string& expression : all) {
    expect_agreement(engines, expression);
  }
}

/// A field behind "either port": two paths with different first loads relative to X meet.
TEST(Filters, EnginesAgreeOnFieldsBehindEitherPort) {
  Engines engines;
  for (const char* expression : {
           "(tcp dst port 443 or tcp src port 443) and tcp[13] & 7 != 0",
           "(dst port 53 or src port 53) and udp[4:2] > 100",
           "(udp dst port 53 or udp src port 53) and udp[10] & 0x80 != 0",
           "(tcp dst port 80 or tcp src port 80) and tcp[tcpflags] & tcp-syn != 0",
           "(tcp[tcpflags] == tcp-syn or tcp dst port 443) and tcp[12] & 0xf0 > 0x50",
           "(tcp[13] & 2 != 0 or tcp[12] = 0x50) and tcp[14:2] = 1024",
           "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
           "tcp dst port 443 and tcp[((tcp[12] & 0xf0) >> 2)] = 0x16",
           "ether[tcp[4:2]:1] != 0",
           "ip[ip[2:2]] = 0",
           "tcp[tcp[4:2]] = 1",
           "ip[ip[8]] / ip[9] > 1",
           "ip[8] % ip[9] = 3",
           "len > 60 and ip[len - 40] != 7",
           "pppoes and tcp port 80",
           "mpls 100 and mpls 200 and host 192.0.2.1",
           "vlan and vlan and ip6 and tcp port 80",
       }) {
    expect_agreement(engines, expression);
  }
}

/// Expressions in which libpcap reads scratch memory no path has written.
TEST(Filters, EnginesAgreeWhereScratchIsUnset) {
  Engines engines;
  for (const char* expression : {"geneve or tcp port 80", "geneve 0x2a and host 192.0.2.1",
                                 "not geneve and tcp port 80", "geneve and udp port 53"}) {
    expect_agreement(engines, expression);
  }
}

}  // namespace
}  // namespace differential

// SPDX-License-Identifier: BSD-3-Clause
//
// Every expression of tests/data/filters.txt and some harder ones: the fragment answers as the program that libpcap makes
// without its optimiser, for every packet of up to 65,535 bytes.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "prove/corpus.h"
#include "prove/prove.h"

namespace cbpfc::prove {
namespace {

/// Expressions that a compiler was seen to fail on, or that strain one.
constexpr const char* kFurther[] = {
    // Bases of loads relative to X that meet.
    "(tcp dst port 443 or tcp src port 443) and tcp[13] & 7 != 0",
    "(dst port 53 or src port 53) and udp[4:2] > 100",
    "(tcp[tcpflags] == tcp-syn or tcp dst port 443) and tcp[12] & 0xf0 > 0x50",
    "(tcp[13] & 2 != 0 or tcp[12] = 0x50) and tcp[14:2] = 1024",
    // Computed offsets.
    "ether[tcp[4:2]:1] != 0",
    "tcp[ip[4:1]:4] = 5",
    "ip[ip[2:2]] = 0",
    "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
    "tcp dst port 443 and tcp[((tcp[12] & 0xf0) >> 2)] = 0x16",
    "tcp[tcp[12] * tcp[13] / tcp[14]] % 7 = 3",
    // Scratch slots.
    "geneve",
    "geneve or tcp port 80",
    "mpls and mpls and ip",
    "pppoes and tcp port 80",
    "greater 1000",
    "icmp or arp or (udp and port 53) or (tcp and (port 80 or port 443) and host 10.0.0.1)",
};

class Filters : public testing::TestWithParam<bool> {};

TEST_P(Filters, AreProven) {
  std::vector<std::string> all = expressions();
  ASSERT_GT(all.size(), 50U);
  all.insert(all.end(), std::begin(kFurther), std::end(kFurther));
  Prover prover;
  for (const std::string& expression : all) {
    const std::string failure = check(prover, compile(expression), {.optimize = GetParam()});
    EXPECT_TRUE(failure.empty()) << expression << ": " << failure;
  }
}

INSTANTIATE_TEST_SUITE_P(Optimize, Filters, testing::Bool(), [](const auto& param) {
  return param.param ? std::string("Optimised") : std::string("Plain");
});

}  // namespace
}  // namespace cbpfc::prove

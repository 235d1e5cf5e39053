// SPDX-License-Identifier: BSD-3-Clause
//
// Every expression of verify/data/filters.txt and some harder ones: the fragment answers as the program that libpcap makes
// without its optimiser, for every packet of up to 65,535 bytes.

#include <cbpfc/text.h>
#include <gtest/gtest.h>

#include "verify/prove/prove.h"
#include "verify/prove/tests/corpus.h"

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

/// Two lists behind two headers, where an address of the first list leads to the second one: once the lists are shared,
/// a way sets the cell of the second list twice.
TEST_P(Filters, WithACellThatIsSetTwiceAreProven) {
  const auto raw = parse_program(
      "31,32 0 0 56,40 0 0 12,21 1 0 2048,21 10 26 2054,32 0 0 26,21 18 0 167772161,"
      "21 17 0 185597955,21 16 0 203423749,21 15 0 221249543,32 0 0 30,"
      "21 18 0 536870929,21 17 0 554696723,21 16 0 572522517,21 15 16 590348311,"
      "32 0 0 28,21 8 0 167772161,21 7 0 185597955,21 6 0 203423749,21 5 0 221249543,"
      "32 0 0 38,21 8 0 536870929,21 7 0 554696723,21 6 0 572522517,21 5 6 590348311,"
      "32 0 0 0,21 3 0 536870929,21 2 0 554696723,21 1 0 572522517,21 0 1 590348311,"
      "6 0 0 1,6 0 0 0");
  ASSERT_TRUE(raw) << raw.error().message;
  Prover prover;
  EXPECT_EQ(check(prover, Filter::decode(*raw).value(), {.optimize = GetParam()}), "");
}

INSTANTIATE_TEST_SUITE_P(Optimize, Filters, testing::Bool(), [](const auto& param) {
  return param.param ? std::string("Optimised") : std::string("Plain");
});

}  // namespace
}  // namespace cbpfc::prove

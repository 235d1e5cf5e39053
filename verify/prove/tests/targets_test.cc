// SPDX-License-Identifier: BSD-3-Clause
//
// The fragments of every way to ask for one, and sets of filters, proven.

#include <gtest/gtest.h>

#include "verify/prove/prove.h"
#include "verify/prove/tests/corpus.h"

namespace cbpfc::prove {
namespace {

using ebpf::Reg;

constexpr const char* kExpressions[] = {
    "ip and udp port 53",
    "tcp port 80",
    "host 192.0.2.1 and tcp port 80",
    "src host 2001:db8::1 and dst host 2001:db8::2",
    "greater 100 and tcp[tcpflags] == tcp-syn",
    "tcp dst port 443 and tcp[((tcp[12] & 0xf0) >> 2)] = 0x16",
    "ether[tcp[4:2]:1] != 0",
    "tcp dst port 812 or 954 or 2623 or 2999 or 5358 or 6009 or 6563 or 6740 or 7061 or 7492",
    "geneve",
};

struct Target {
  const char* name;
  EbpfOptions options;
};

const Target kTargets[] = {
    {"Labels", {.match_label = "match", .no_match_label = "no_match"}},
    {"OtherRegisters",
     {.packet_start = Reg::R9,
      .packet_end = Reg::R8,
      .result = Reg::R0,
      .working = {Reg::R1, Reg::R2, Reg::R3, Reg::R0},
      .stack_offset_bytes = 64}},
    {"ResultIsPacketStart", {.result = Reg::R2}},
    {"SpareRegisters", {.spare = {Reg::R0, Reg::R1, Reg::R8, Reg::R9}}},
    {"Length", {.packet_length = Reg::R8}},
    {"Inner", {.packet_start_offset_bytes = 14}},
    {"Buffer", {.access = PacketAccess::Buffer, .buffer_size_bytes = 128}},
    {"LargeBuffer", {.access = PacketAccess::Buffer, .buffer_size_bytes = 65535}},
    {"StackBuffer",
     {.stack_offset_bytes = 256,
      .access = PacketAccess::Buffer,
      .buffer_size_bytes = 128,
      .buffer_on_stack = true}},
    {"Probe",
     {.packet_start = Reg::R6,
      .packet_end = Reg::R7,
      .working = {Reg::R8, Reg::R9, Reg::R4, Reg::R5},
      .access = PacketAccess::Probe}},
};

class Targets : public testing::TestWithParam<std::tuple<std::size_t, bool>> {};

TEST_P(Targets, AreProven) {
  const auto [number, optimize] = GetParam();
  EbpfOptions options = kTargets[number].options;
  options.optimize = optimize;
  Prover prover;
  for (const char* expression : kExpressions) {
    const std::string failure = check(prover, compile(expression), options);
    EXPECT_TRUE(failure.empty()) << expression << ": " << failure;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Targets,
                         testing::Combine(testing::Range(std::size_t{0}, std::size(kTargets)),
                                          testing::Bool()),
                         [](const auto& param) {
                           return std::string(kTargets[std::get<0>(param.param)].name) +
                                  (std::get<1>(param.param) ? "Optimised" : "Plain");
                         });

std::vector<Filter> filters_of(std::initializer_list<std::string> expressions) {
  std::vector<Filter> filters;
  for (const std::string& expression : expressions) {
    filters.push_back(compile(expression));
  }
  return filters;
}

TEST(Sets, AreProven) {
  Prover prover;
  const std::vector<Filter> sets[] = {
      filters_of({"ip"}),
      filters_of({"tcp port 80", "tcp", "ip", "ip6", ""}),
      filters_of({"udp port 53", "udp port 123", "src host 192.0.2.1", "net 10.0.0.0/8 and udp",
                  "greater 1000", "tcp[13] = 2"}),
      filters_of({"host 192.0.2.1 and tcp port 80", "host 192.0.2.2 and tcp port 80",
                  "host 192.0.2.3 and udp port 53", "host 2001:db8::1", "arp"}),
  };
  for (const std::vector<Filter>& set : sets) {
    for (const bool optimize : {false, true}) {
      EXPECT_EQ(check_set(prover, set, {.optimize = optimize}), "");
    }
  }
}

TEST(Sets, LargeOnesAreProven) {
  Prover prover;
  std::vector<Filter> set;
  for (int i = 0; i < 60; ++i) {
    set.push_back(compile("src host 198.51.100." + std::to_string(i % 30) + " and udp dst port " +
                          std::to_string(1000 + 7 * i)));
  }
  EXPECT_EQ(check_set(prover, set, {}), "");
}

TEST(Check, SaysWhatWasCompiledAndWhy) {
  const Filter filter = compile("tcp port 80");
  EXPECT_EQ(check(filter, {}), "");
  EXPECT_EQ(check(filter, {.result = Reg::R10}), "compile filter: R10 is not one of R0 to R9");
}

}  // namespace
}  // namespace cbpfc::prove

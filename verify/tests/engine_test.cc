// SPDX-License-Identifier: BSD-3-Clause
//
// The two interpreters; the kernel's engine is in verify/tests/kernel/engine_test.cc.

#include "verify/check/engine.h"

#include <gtest/gtest.h>

#include <optional>

#include "verify/tests/subjects.h"

namespace check {
namespace {

using command::test::subject;

std::unique_ptr<FilterEngine> make(const Subject& subject, Engine which, bool branches = false) {
  Options options;
  options.engine = which;
  options.code.branches = branches;
  auto engine = make_engine(subject, options);
  EXPECT_TRUE(engine) << engine.error().message;
  return std::move(*engine);
}

TEST(Engine, BothInterpretersGiveTheFiltersValue) {
  const Subject ip = subject("ip");
  for (const Engine which : {Engine::Interpreter, Engine::Ebpf}) {
    const auto engine = make(ip, which);
    EXPECT_EQ(engine->run(command::test::kIpv4, 14), 262144U);
    EXPECT_EQ(engine->run(command::test::kIpv6, 14), 0U);
    EXPECT_EQ(engine->run({}, 0), 0U);
  }
}

TEST(Engine, OfASetTheFirstThatMatchesIsNamed) {
  const Subject set = command::test::set({"udp", "ip6", "ether proto 0x86dd"});
  for (const Engine which : {Engine::Interpreter, Engine::Ebpf}) {
    const auto engine = make(set, which);
    EXPECT_EQ(engine->run(command::test::kIpv6, 14), 2U);
    EXPECT_EQ(engine->run(command::test::kIpv4, 14), 0U);
  }
}

TEST(Engine, ABranchIsAMatchOrNone) {
  const Subject ip = subject("ip");
  const auto engine = make(ip, Engine::Ebpf, true);
  EXPECT_EQ(engine->run(command::test::kIpv4, 14), 1U);
  EXPECT_EQ(engine->run(command::test::kIpv6, 14), 0U);
}

TEST(Engine, TheLengthIsThatOnTheWire) {
  const Subject longer = subject("greater 1000");
  const Subject exact = subject("len = 10");
  for (const Engine which : {Engine::Interpreter, Engine::Ebpf}) {
    for (const bool answers_ancillary : {false, true}) {
      Options options;
      options.engine = which;
      options.code.ebpf.ancillary.from_frame = answers_ancillary;
      auto engine = make_engine(longer, options);
      ASSERT_TRUE(engine);
      EXPECT_NE((*engine)->run(command::test::kIpv4, 1000), 0U);
      EXPECT_EQ((*engine)->run(command::test::kIpv4, 999), 0U);
      engine = make_engine(exact, options);  // shorter than what was captured
      ASSERT_TRUE(engine);
      EXPECT_NE((*engine)->run(command::test::kIpv4, 10), 0U);
      EXPECT_EQ((*engine)->run(command::test::kIpv4, 14), 0U);
    }
  }
}

TEST(Engine, WhatTheFrameTellsDependsOnItsLengthToo) {
  // A length in place of the protocol: 802.3 if 0xffff follows, which needs 16 bytes on the wire.
  const Subject subject =
      command::test::subject("3,40 0 0 4294963200,21 0 0 0,22 0 0 0");  // SKF_AD_PROTOCOL
  std::vector<std::uint8_t> packet(20);
  packet[14] = packet[15] = 0xff;
  for (const Engine which : {Engine::Interpreter, Engine::Ebpf}) {
    Options options;
    options.engine = which;
    options.code.ebpf.ancillary.from_frame = true;
    const auto engine = make_engine(subject, options);
    ASSERT_TRUE(engine) << engine.error().message;
    EXPECT_EQ((*engine)->run(packet, 100), 1U);
    EXPECT_EQ((*engine)->run(packet, 15), 4U);
  }
}

TEST(Engine, CodeThatAsksForTheLengthIsToldIt) {
  using cbpfc::ebpf::Reg;
  Options options;
  options.engine = Engine::Ebpf;
  const Subject longer = subject("greater 1000");
  const std::string by_both = "each, 1 packet by the interpreter (cut)";
  const struct {
    std::vector<Reg> spare;
    std::optional<Reg> length;
    std::string end;
  } cases[] = {
      {{}, std::nullopt, "each"},
      {{Reg::R9}, std::nullopt, "each"},
      {{Reg::R9}, Reg::R8, "each"},
      // No register is free.
      {{Reg::R0, Reg::R1, Reg::R8, Reg::R9}, std::nullopt, by_both},
  };
  for (const auto& one : cases) {
    options.code.ebpf.spare = one.spare;
    options.code.ebpf.packet_length = one.length;
    const auto engine = make_engine(longer, options);
    ASSERT_TRUE(engine) << engine.error().message;
    EXPECT_EQ((*engine)->run(command::test::kIpv4, 14), 0U);
    EXPECT_NE((*engine)->run(command::test::kIpv4, 1000), 0U);
    EXPECT_TRUE((*engine)->describe().ends_with(one.end)) << (*engine)->describe();
  }
}

TEST(Engine, SaysWhatItRan) {
  const Subject ip = subject("ip");
  const auto engine = make(ip, Engine::Interpreter);
  ASSERT_TRUE(engine->run(command::test::kIpv4, 14));
  EXPECT_EQ(engine->describe(), "1 packet by the interpreter");
  ASSERT_TRUE(engine->run(command::test::kIpv4, 14));
  EXPECT_EQ(engine->describe(), "2 packets by the interpreter");
}

TEST(Engine, LoadsWithoutAnswerAreErrors) {
  const Subject subject = command::test::subject("2,40 0 0 4294963204,22 0 0 0");  // SKF_AD_PKTTYPE
  const auto run = make(subject, Engine::Interpreter)->run(command::test::kIpv4, 14);
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, cbpfc::Errc::Unsupported);
  EXPECT_EQ(
      run.error().message,
      "instruction 0: the ancillary load \"packet type\" is not answered: it takes an Ethernet frame");
}

}  // namespace
}  // namespace check

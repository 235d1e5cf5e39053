// SPDX-License-Identifier: BSD-3-Clause
//
// The two interpreters; the kernel's engine is in verify/tests/kernel/cbpfc_engine_test.cc.

#include "verify/check/cbpfc_engine.h"

#include <gtest/gtest.h>

#include "verify/tests/subjects.h"

namespace command {
namespace {

using test::subject;

std::unique_ptr<FilterEngine> make(const Subject& subject, Engine which, bool branches = false) {
  Options options;
  options.engine = which;
  options.branches = branches;
  auto engine = make_engine(subject, options);
  EXPECT_TRUE(engine) << engine.error().message;
  return std::move(*engine);
}

TEST(CbpfcEngine, BothInterpretersGiveTheFiltersValue) {
  const Subject ip = subject("ip");
  for (const Engine which : {Engine::Interpreter, Engine::Ebpf}) {
    const auto engine = make(ip, which);
    EXPECT_EQ(engine->run(test::kIpv4, 14), 262144U);
    EXPECT_EQ(engine->run(test::kIpv6, 14), 0U);
    EXPECT_EQ(engine->run({}, 0), 0U);
  }
}

TEST(CbpfcEngine, OfASetTheFirstThatMatchesIsNamed) {
  const Subject set = test::set({"udp", "ip6", "ether proto 0x86dd"});
  for (const Engine which : {Engine::Interpreter, Engine::Ebpf}) {
    const auto engine = make(set, which);
    EXPECT_EQ(engine->run(test::kIpv6, 14), 2U);
    EXPECT_EQ(engine->run(test::kIpv4, 14), 0U);
  }
}

TEST(CbpfcEngine, ABranchIsAMatchOrNone) {
  const Subject ip = subject("ip");
  const auto engine = make(ip, Engine::Ebpf, true);
  EXPECT_EQ(engine->run(test::kIpv4, 14), 1U);
  EXPECT_EQ(engine->run(test::kIpv6, 14), 0U);
}

TEST(CbpfcEngine, TheLengthIsThatOnTheWire) {
  const Subject longer = subject("greater 1000");
  const Subject exact = subject("len = 10");
  for (const Engine which : {Engine::Interpreter, Engine::Ebpf}) {
    for (const bool answers_ancillary : {false, true}) {
      Options options;
      options.engine = which;
      options.ebpf.ancillary.from_frame = answers_ancillary;
      auto engine = make_engine(longer, options);
      ASSERT_TRUE(engine);
      EXPECT_NE((*engine)->run(test::kIpv4, 1000), 0U);
      EXPECT_EQ((*engine)->run(test::kIpv4, 999), 0U);
      engine = make_engine(exact, options);  // shorter than what was captured
      ASSERT_TRUE(engine);
      EXPECT_NE((*engine)->run(test::kIpv4, 10), 0U);
      EXPECT_EQ((*engine)->run(test::kIpv4, 14), 0U);
    }
  }
}

TEST(CbpfcEngine, WhatTheFrameTellsDependsOnItsLengthToo) {
  // A length in place of the protocol: 802.3 if 0xffff follows, which needs 16 bytes on the wire.
  const Subject subject =
      test::subject("3,40 0 0 4294963200,21 0 0 0,22 0 0 0");  // SKF_AD_PROTOCOL
  std::vector<std::uint8_t> packet(20);
  packet[14] = packet[15] = 0xff;
  for (const Engine which : {Engine::Interpreter, Engine::Ebpf}) {
    Options options;
    options.engine = which;
    options.ebpf.ancillary.from_frame = true;
    const auto engine = make_engine(subject, options);
    ASSERT_TRUE(engine) << engine.error().message;
    EXPECT_EQ((*engine)->run(packet, 100), 1U);
    EXPECT_EQ((*engine)->run(packet, 15), 4U);
  }
}

TEST(CbpfcEngine, AFragmentThatIsToldTheLengthRunsAllPackets) {
  Options options;
  options.engine = Engine::Ebpf;
  const Subject longer = subject("greater 1000");
  auto engine = make_engine(longer, options);
  ASSERT_TRUE(engine && (*engine)->run(test::kIpv4, 14) && (*engine)->run(test::kIpv4, 1000));
  EXPECT_TRUE((*engine)->describe().ends_with("each, 1 packet by the interpreter (cut)"))
      << (*engine)->describe();
  options.ebpf.packet_length = cbpfc::ebpf::Reg::R8;
  engine = make_engine(longer, options);
  ASSERT_TRUE(engine);
  EXPECT_NE((*engine)->run(test::kIpv4, 1000), 0U);
  EXPECT_TRUE((*engine)->describe().ends_with("each")) << (*engine)->describe();
}

TEST(CbpfcEngine, SaysWhatItRan) {
  const Subject ip = subject("ip");
  const auto engine = make(ip, Engine::Interpreter);
  ASSERT_TRUE(engine->run(test::kIpv4, 14));
  EXPECT_EQ(engine->describe(), "1 packet by the interpreter");
  ASSERT_TRUE(engine->run(test::kIpv4, 14));
  EXPECT_EQ(engine->describe(), "2 packets by the interpreter");
}

TEST(CbpfcEngine, LoadsWithoutAnswerAreErrors) {
  const Subject subject = test::subject("2,40 0 0 4294963204,22 0 0 0");  // SKF_AD_PKTTYPE
  const auto run = make(subject, Engine::Interpreter)->run(test::kIpv4, 14);
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, cbpfc::Errc::Unsupported);
  EXPECT_EQ(
      run.error().message,
      "instruction 0: the ancillary load \"packet type\" is not answered: it takes an Ethernet frame");
}

}  // namespace
}  // namespace command

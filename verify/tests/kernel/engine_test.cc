// SPDX-License-Identifier: BSD-3-Clause
//
// What the command runs in the kernel: packets of every length through a compiled filter, and the
// figures it measures.

#include "verify/check/engine.h"

#include <gtest/gtest.h>

#include "verify/check/cost.h"
#include "verify/interpreter/interpret.h"
#include "verify/tests/subjects.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/kernel/test_run.h"
#include "xdpcap/tests/kernel/bpf_fixture.h"

namespace check {
namespace {

class KernelEngineTest : public testing::Test {
 protected:
  void SetUp() override { xdpcap::test::require_root(); }

  static std::unique_ptr<FilterEngine> make(const Subject& subject, Engine which) {
    Options options;
    options.engine = which;
    auto engine = make_engine(subject, options);
    EXPECT_TRUE(engine) << engine.error().message;
    return std::move(*engine);
  }
};

TEST_F(KernelEngineTest, GivesTheValueForPacketsOfEveryLength) {
  // A value that shows which bytes were there: the last one a packet may have at all, and its length.
  for (const char* text :
       {"greater 3000", "ether[3519] = 7", "ether[3520] = 7", "ether[5000] = 7", "ether[13] = 7"}) {
    SCOPED_TRACE(text);
    const Subject subject = command::test::subject(text);
    const auto engine = make(subject, Engine::Auto);
    for (const std::size_t size : {0U, 1U, 13U, 14U, 15U, 60U, 2999U, 3000U, 3519U, 3520U, 3521U,
                                   4096U, 5000U, 5001U, 9000U, 65535U, 65536U, 100000U}) {
      const std::vector<std::uint8_t> packet(size, 7);
      const auto wire_length = static_cast<std::uint32_t>(size);
      EXPECT_EQ(engine->run(packet, wire_length),
                *cbpfc::interpret(subject.sources.front().filter, packet, wire_length))
          << size;
    }
    EXPECT_NE(engine->describe().find(" by the kernel, "), std::string::npos);
  }
}

TEST_F(KernelEngineTest, TheLengthOfCutPacketsIsThatOnTheWire) {
  const Subject subject = command::test::subject("greater 1000");
  const auto engine = make(subject, Engine::Kernel);
  const std::vector<std::uint8_t> packet(60);
  EXPECT_NE(*engine->run(packet, 1000), 0U);
  EXPECT_EQ(engine->run(packet, 60), 0U);
}

TEST_F(KernelEngineTest, OfASetTheFirstThatMatchesIsNamed) {
  const Subject set = command::test::set({"udp", "ip6", "ether proto 0x86dd"});
  const auto engine = make(set, Engine::Kernel);
  EXPECT_EQ(engine->run(command::test::kIpv6, 14), 2U);
  EXPECT_EQ(engine->run(command::test::kIpv4, 14), 0U);
}

TEST_F(KernelEngineTest, WithoutRightsTheInterpreterRuns) {
  const Subject ip = command::test::subject("ip");
  const xdpcap::test::ReducedCapabilities none(0);
  EXPECT_FALSE(may_use_kernel());
  const auto engine = make(ip, Engine::Auto);
  EXPECT_EQ(engine->run(command::test::kIpv4, 14), 262144U);
  EXPECT_EQ(engine->describe(), "1 packet by the interpreter");
  Options options;
  options.engine = Engine::Kernel;
  const auto refused = make_engine(ip, options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, cbpfc::Errc::Permission);
}

TEST_F(KernelEngineTest, MeasuresWhatTheKernelMakesOfTheCode) {
  const Subject subject = command::test::subject("ip and udp port 53");
  const auto samples = make_up_samples(subject, {});
  ASSERT_TRUE(samples);
  const auto figures = measure(subject, {}, *samples, true);
  ASSERT_TRUE(figures) << figures.error().message;
  EXPECT_EQ(figures->refusal, "");
  EXPECT_GT(figures->verified_insns.value_or(0), figures->emitted_insns);
  EXPECT_GT(figures->machine_code_bytes, figures->emitted_insns);
  EXPECT_GT(figures->executed_insns.match.value_or(0), 10);
  EXPECT_GT(figures->executed_insns.miss.value_or(0), 10);
  ASSERT_TRUE(figures->ns.match && figures->ns.miss);
  EXPECT_GT(*figures->ns.match, 0.1);
  EXPECT_LT(*figures->ns.match, 1000);
  const auto without = measure(subject, {}, *samples, false);
  ASSERT_TRUE(without);
  EXPECT_FALSE(without->verified_insns || without->ns.match);
}

TEST(TestRun, SaysWhyAPacketIsNotTaken) {
  xdpcap::test::require_root();
  using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace)
  const std::vector<Insn> insns = {mov32(Reg::R0, 0xdeadbeefU), exit_insn()};
  const auto program = xdpcap::load_xdp_program({.name = "constant", .insns = insns});
  ASSERT_TRUE(program);
  std::vector<std::uint8_t> packet(14);
  EXPECT_EQ(xdpcap::test_run(program->get(), packet)->value, 0xdeadbeefU);
  packet.pop_back();
  const auto refused = xdpcap::test_run(program->get(), packet);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "run a program over a packet (BPF_PROG_TEST_RUN): Invalid argument");
}

TEST(TestRun, FindsTheLongestLinearPacket) {
  xdpcap::test::require_root();
  const auto longest = xdpcap::longest_linear_test_packet();
  ASSERT_TRUE(longest) << longest.error().message;
  EXPECT_GE(*longest, 1514U);
  EXPECT_LT(*longest, 65536U);
}

}  // namespace
}  // namespace check

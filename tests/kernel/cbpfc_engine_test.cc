// SPDX-License-Identifier: BSD-3-Clause
//
// What the command runs in the kernel: packets of every length through a compiled filter, and the
// figures it measures.

#include "tools/cbpfc_engine.h"

#include <cbpfc/compile.h>
#include <cbpfc/interpret.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "kernel/program.h"
#include "kernel/test_run.h"
#include "support/bpf_fixture.h"
#include "tools/cbpfc_measure.h"
#include "unit/tools/subjects.h"

namespace command {
namespace {

class KernelEngineTest : public ::testing::Test {
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
    const Subject subject = test::subject(text);
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
  const Subject subject = test::subject("greater 1000");
  const auto engine = make(subject, Engine::Kernel);
  const std::vector<std::uint8_t> packet(60);
  EXPECT_NE(*engine->run(packet, 1000), 0U);
  EXPECT_EQ(engine->run(packet, 60), 0U);
}

TEST_F(KernelEngineTest, OfASetTheFirstThatMatchesIsNamed) {
  const Subject set = test::set({"udp", "ip6", "ether proto 0x86dd"});
  const auto engine = make(set, Engine::Kernel);
  EXPECT_EQ(engine->run(test::kIpv6, 14), 2U);
  EXPECT_EQ(engine->run(test::kIpv4, 14), 0U);
}

/// What packets are dropped for in an attack; each rule asks for some of it.
struct Rule {
  std::uint32_t source = 0;
  std::uint32_t destination = 0;
  std::uint16_t port = 0;
  std::uint16_t window = 0;
  std::uint32_t word = 0;

  std::string expression(std::size_t kind) const {
    const std::string from = address(source);
    const std::string to = address(destination);
    switch (kind) {
      case 0: return fmt::format("ip src host {} and ip dst host {}", from, to);
      case 1: return fmt::format("ip dst host {} and udp src port {} and greater 60", to, port);
      case 2:
        return fmt::format("ip src net {}/24 and tcp dst port {}", address(source & ~255U), port);
      case 3:
        return fmt::format("ip dst host {} and tcp[tcpflags] == tcp-syn and tcp[14:2] == {}", to,
                           window);
      default:
        return fmt::format("ip dst host {} and udp dst port {} and udp[8:4] == {}", to, port, word);
    }
  }
  static std::string address(std::uint32_t value) {
    return fmt::format("{}.{}.{}.{}", value >> 24, value >> 16 & 255, value >> 8 & 255,
                       value & 255);
  }
};

std::vector<Rule> make_rules(std::size_t count, std::mt19937& random) {
  const auto below = [&](std::uint32_t bound) {
    return static_cast<std::uint32_t>(random() % bound);
  };
  std::vector<Rule> rules(count);
  for (Rule& rule : rules) {
    rule = {.source = below(0xdfffffff),
            .destination = 198U << 24 | 18U << 16 | below(1U << 17),
            .port = static_cast<std::uint16_t>(1 + below(65535)),
            .window = static_cast<std::uint16_t>(512 + below(60000)),
            .word = below(0xffffffff)};
  }
  return rules;
}

/// A packet to the address of one rule, with the rest of that rule or of others.
std::vector<std::uint8_t> packet_for(const std::vector<Rule>& rules, std::mt19937& random) {
  std::vector<std::uint8_t> packet(64);
  const auto put = [&](std::size_t at, std::size_t size, std::uint32_t value) {
    for (; size-- > 0; value >>= 8) {
      packet[at + size] = static_cast<std::uint8_t>(value);
    }
  };
  const Rule& one = rules[random() % rules.size()];
  const auto any = [&]() -> const Rule& {
    return random() % 4 == 0 ? rules[random() % rules.size()] : one;
  };
  put(12, 2, 0x0800);
  put(14, 1, 0x45);
  put(23, 1, random() % 2 == 0 ? 6 : 17);
  put(26, 4, any().source);
  put(30, 4, any().destination);
  put(34, 2, any().port);
  put(36, 2, any().port);
  put(42, 4, any().word);
  if (packet[23] == 6) {
    put(46, 2, 0x5002);  // SYN
    put(48, 2, any().window);
  }
  packet.resize(random() % 8 == 0 ? random() % 51 + 14 : 64);
  return packet;
}

/// A program that returns the number of the first filter that matches, with registers to spare, so that values
/// stay where they are.
cbpfc::Result<std::vector<cbpfc::ebpf::Insn>> set_program(
    const std::vector<cbpfc::Filter>& filters) {
  using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace)
  const cbpfc::EbpfOptions options{.spare = {Reg::R0, Reg::R1, Reg::R8, Reg::R9}};
  Assembly program;
  program.add(load(Width::Word, Reg::R2, Reg::R1, 0));
  program.add(load(Width::Word, Reg::R3, Reg::R1, 4));
  program.append(TRY(cbpfc::compile_ebpf_set(filters, options)));
  program.label(options.result_label);
  program.add(mov32(Reg::R0, options.result));
  program.add(exit_insn());
  return program.assemble();
}

/// The verifier walks such a set in a million instructions only if it forgets what it learns (forget.cc).
TEST_F(KernelEngineTest, AThousandRulesThatMatchInPart) {
  std::mt19937 random(5);
  const std::vector<Rule> rules = make_rules(1000, random);
  std::vector<std::string> expressions;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    expressions.push_back(rules[i].expression(i % 5));
  }
  std::vector<cbpfc::Filter> filters;
  for (const auto& source : test::set(expressions).sources) {
    filters.push_back(source.filter);
  }
  const auto insns = set_program(filters);
  ASSERT_TRUE(insns) << insns.error().message;
  const auto program = xdpcap::load_xdp_program({.name = "set", .insns = *insns});
  ASSERT_TRUE(program) << program.error().message;
  int matched = 0;
  for (int i = 0; i < 2000; ++i) {
    std::vector<std::uint8_t> packet = packet_for(rules, random);
    const auto length = static_cast<std::uint32_t>(packet.size());
    std::uint32_t first = 0;
    for (std::size_t rule = 0; rule < filters.size() && first == 0; ++rule) {
      if (*cbpfc::interpret(filters[rule], packet, length) != 0) {
        first = static_cast<std::uint32_t>(rule + 1);
      }
    }
    const auto run = xdpcap::test_run(program->get(), packet);
    ASSERT_TRUE(run) << run.error().message;
    ASSERT_EQ(run->value, first) << "packet " << i;
    matched += first != 0 ? 1 : 0;
  }
  EXPECT_GT(matched, 200);
  EXPECT_LT(matched, 1800);
}

TEST_F(KernelEngineTest, WithoutRightsTheInterpreterRuns) {
  const Subject ip = test::subject("ip");
  const xdpcap::test::ReducedCapabilities none(0);
  EXPECT_FALSE(may_use_kernel());
  const auto engine = make(ip, Engine::Auto);
  EXPECT_EQ(engine->run(test::kIpv4, 14), 262144U);
  EXPECT_EQ(engine->describe(), "1 packet by the interpreter");
  Options options;
  options.engine = Engine::Kernel;
  const auto refused = make_engine(ip, options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, cbpfc::Errc::Permission);
}

TEST_F(KernelEngineTest, MeasuresWhatTheKernelMakesOfTheCode) {
  const Subject subject = test::subject("ip and udp port 53");
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
}  // namespace command

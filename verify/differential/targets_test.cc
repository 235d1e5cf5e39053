// SPDX-License-Identifier: BSD-3-Clause
//
// Every way a fragment can reach a packet gives the interpreter's answer: random programs, and the
// filters of verify/data/filters.txt over packets cut at every length.
//
// DIFFERENTIAL_SEED and DIFFERENTIAL_PROGRAMS choose others, for longer runs.

#include <bpf/bpf.h>
#include <cbpfc/pcap_filter.h>
#include <cbpfc/text.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "verify/differential/engines/target_engine.h"
#include "verify/differential/generators/generator.h"
#include "verify/differential/generators/packet_maker.h"
#include "verify/interpreter/interpret.h"

namespace differential {
namespace {

using cbpfc::Filter;
using cbpfc::ebpf::Assembly;
using cbpfc::ebpf::Reg;
using cbpfc::ebpf::Width;

constexpr std::size_t kMinTestRunBytes = 14;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

/// A target and the sizes of buffer it is tried with.
struct Case {
  const char* name;
  Target target;
  std::uint32_t buffer_size_bytes;
};

class Targets : public testing::TestWithParam<Case> {
 protected:
  Targets() : engine_(runner_, GetParam().target, GetParam().buffer_size_bytes) {}

  void load(const Filter& filter) {
    const auto insns = engine_.program(filter);
    ASSERT_TRUE(insns) << insns.error().message << "\n" << listing(filter);
    const std::string log = runner_.load(*insns);
    ASSERT_TRUE(log.empty()) << log << "\n" << listing(filter);
  }

  /// Runs `packet`, as much of it as the buffer holds.
  void expect_agreement(const Filter& filter, std::span<const std::uint8_t> packet) {
    packet = packet.first(std::min<std::size_t>(packet.size(), GetParam().buffer_size_bytes));
    if (GetParam().target == Target::Labels && packet.size() < kMinTestRunBytes) {
      return;
    }
    const auto value = cbpfc::interpret(filter, packet, static_cast<std::uint32_t>(packet.size()));
    ASSERT_TRUE(value) << value.error().message;
    const std::uint32_t expected =
        GetParam().target == Target::Labels ? (*value != 0 ? 1U : 0U) : *value;
    matches_ += expected != 0 ? 1U : 0U;
    ASSERT_EQ(engine_.run(packet), expected)
        << fmt::format("packet of {} bytes: {:02x}\n", packet.size(), fmt::join(packet, " "))
        << listing(filter);
  }

  void expect_agreement_of_random(Profile profile) {
    Generator generator(from_environment("DIFFERENTIAL_SEED", 1), profile);
    const std::uint64_t programs = from_environment("DIFFERENTIAL_PROGRAMS", 3000);
    constexpr int kPackets = 5;
    for (std::uint64_t n = 0; n < programs; ++n) {
      const Filter filter = generator.program();
      load(filter);
      for (int i = 0; i < kPackets && !HasFatalFailure(); ++i) {
        expect_agreement(filter, generator.packet());
      }
      ASSERT_FALSE(HasFatalFailure()) << "program " << n;
    }
    // A generator whose programs never match would prove little.
    EXPECT_GT(matches_, programs * kPackets / 20);
  }

  static std::string listing(const Filter& filter) {
    return cbpfc::print_program(filter.encode(), cbpfc::TextForm::Listing);
  }

  XdpRunner runner_;
  TargetEngine engine_;
  std::uint64_t matches_ = 0;
};

INSTANTIATE_TEST_SUITE_P(All, Targets,
                         testing::Values(Case{"Labels", Target::Labels, 2000},
                                         Case{"MapBufferOf40", Target::MapBuffer, 40},
                                         Case{"MapBuffer", Target::MapBuffer, 200},
                                         Case{"LargestMapBuffer", Target::MapBuffer, 65535},
                                         Case{"StackBufferOf33", Target::StackBuffer, 33},
                                         Case{"StackBuffer", Target::StackBuffer, 128},
                                         Case{"Probe", Target::Probe, 200}),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(Targets, RandomProgramsAgree) {
  expect_agreement_of_random(Profile::Wide);
}

TEST_P(Targets, RandomProgramsThatComputeAddressesAgree) {
  expect_agreement_of_random(Profile::Address);
}

Filter compile(const std::string& expression) {
  const auto program = cbpfc::compile_expression(expression);
  EXPECT_TRUE(program) << program.error().message;
  return Filter::decode(*program, cbpfc::Accept::Compiler).value();
}

std::vector<std::string> expressions() {
  std::vector<std::string> lines;
  std::ifstream file(XDPCAP_TEST_DATA "/filters.txt");
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  lines.emplace_back("(tcp dst port 443 or tcp src port 443) and tcp[13] & 7 != 0");
  lines.emplace_back("ether[tcp[4:2]:1] != 0");
  lines.emplace_back("ip[ip[8]] / ip[9] > 1");
  lines.emplace_back("geneve and udp port 53");
  return lines;
}

TEST_P(Targets, FiltersAgreeOnPacketsCutAtEveryLength) {
  const std::vector<std::string> all = expressions();
  ASSERT_GT(all.size(), 40U);
  for (const std::string& expression : all) {
    SCOPED_TRACE(expression.substr(0, 200));
    const Filter filter = compile(expression);
    const MadePackets made = make_packets(filter, 1000, 4, 1);
    std::vector<Packet> packets = made.matching;
    packets.insert(packets.end(), made.missing.begin(), made.missing.end());
    load(filter);
    for (const Packet& packet : packets) {
      for (std::size_t length = 0; length <= packet.size() && !HasFatalFailure(); ++length) {
        expect_agreement(filter, std::span(packet).first(length));
      }
    }
    ASSERT_FALSE(HasFatalFailure());
  }
  EXPECT_GT(matches_, 0U);
}

/// Lists longer than the kernel takes as classic programs, without the passes.
TEST(LongPrograms, LoadAndAgree) {
  XdpRunner runner;
  TargetEngine engine(runner, Target::Labels, 2000);
  std::string hosts;
  for (int i = 0; i < 600; ++i) {
    hosts += fmt::format("{}host 10.0.{}.{}", i > 0 ? " or " : "", i / 256, i % 256);
  }
  const Filter filter = compile(hosts);
  ASSERT_GT(filter.insns().size(), 3 * cbpfc::kMaxClassicInsns);
  const auto insns = engine.program(filter, {.optimize = false});
  ASSERT_TRUE(insns) << insns.error().message;
  ASSERT_GT(insns->size(), 32768U);
  const std::string log = runner.load(*insns);
  ASSERT_EQ(log.substr(0, 2000), "");
  Packet packet(60);
  packet[12] = 8;
  packet[14] = 0x45;
  for (const std::uint8_t last : {std::uint8_t{0}, std::uint8_t{87}, std::uint8_t{88}}) {
    for (const std::size_t address : {26U, 30U}) {
      Packet to = packet;
      to[address] = 10;
      to[address + 2] = 2;
      to[address + 3] = last;
      EXPECT_EQ(engine.run(to), last < 88 ? 1U : 0U);
    }
  }
}

/// Of a branch in a list the verifier keeps one way for later; more than 8,192 it does not keep.
TEST(LongPrograms, TheVerifierWalksThem) {
  constexpr std::uint32_t kEntries = 20000;
  XdpRunner runner;
  TargetEngine engine(runner, Target::Labels, 2000);
  Generator packets(9);
  for (const std::uint16_t condition : {std::uint16_t{0x15}, std::uint16_t{0x45}}) {
    for (const bool guards : {false, true}) {
      std::vector<cbpfc::RawInsn> program = {{.code = 0x20, .k = 26}};
      const std::uint32_t unit = guards ? 3 : 2;
      for (std::uint32_t i = 0; i < kEntries; ++i) {
        if (guards) {
          program.push_back({.code = 0x20, .k = 26 + i % 900});
        }
        const std::uint32_t left = (kEntries - i) * unit - unit;
        program.push_back({.code = condition, .jt = 0, .jf = 1, .k = 0x00010000U + (i << 17 | i)});
        program.push_back({.code = 0x05, .k = left + 1});  // over the rest and `ret #0`
      }
      program.push_back({.code = 0x06, .k = 0});
      program.push_back({.code = 0x06, .k = 1});
      const Filter filter = Filter::decode(program, cbpfc::Accept::Compiler).value();
      const auto insns = engine.program(filter, {.optimize = false});
      ASSERT_TRUE(insns) << insns.error().message;
      const std::string log = runner.load(*insns);
      ASSERT_EQ(log.substr(0, 2000), "") << condition << guards;
      for (int i = 0; i < 20; ++i) {
        Packet packet = packets.packet();
        packet.resize(i % 2 == 0 ? 1000 : 60);
        const auto value =
            cbpfc::interpret(filter, packet, static_cast<std::uint32_t>(packet.size()));
        ASSERT_EQ(engine.run(packet), *value);
      }
    }
  }
}

/// A probe-read fragment in a tracing program: the program's arguments are the packet's address and
/// length, as numbers.
TEST(Probe, RunsInARawTracepoint) {
  XdpRunner runner;
  TargetEngine packets(runner, Target::Probe, 200);
  const Filter filter = compile("udp port 53");
  const cbpfc::EbpfOptions options{.packet_start = Reg::R6,
                                   .packet_end = Reg::R7,
                                   .result = Reg::R0,
                                   .working = {Reg::R8, Reg::R9, Reg::R1, Reg::R2},
                                   .access = cbpfc::PacketAccess::Probe};
  const auto load_tracer = [&](const Filter& traced) {
    Assembly code;
    code.add(cbpfc::ebpf::load(Width::Double, options.packet_start, Reg::R1, 0));
    code.add(cbpfc::ebpf::load(Width::Double, options.packet_end, Reg::R1, 8));
    code.append(cbpfc::compile_ebpf(traced, options).value());
    code.label("result");
    code.add(cbpfc::ebpf::exit_insn());
    std::string log;
    auto tracer = load_program(BPF_PROG_TYPE_RAW_TRACEPOINT, code.assemble().value(), log);
    EXPECT_TRUE(tracer.is_open()) << log;
    return tracer;
  };
  xdpcap::UniqueFd tracer = load_tracer(filter);
  const auto trace = [&](std::uint64_t address, std::uint64_t length) {
    std::array<std::uint64_t, 2> arguments = {address, length};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = arguments.data(),
                .ctx_size_in = sizeof(arguments));
    EXPECT_EQ(bpf_prog_test_run_opts(tracer.get(), &opts), 0);
    return opts.retval;
  };
  ASSERT_EQ(runner.load(packets.program(filter).value()), "");
  const MadePackets made = make_packets(filter, 1000, 8, 1);
  for (const auto& [kind, value] : {std::pair{made.matching, 262144U}, {made.missing, 0U}}) {
    ASSERT_FALSE(kind.empty());
    for (const Packet& packet : kind) {
      EXPECT_EQ(packets.run(packet), value);
      EXPECT_EQ(trace(packets.packet_address(), packet.size()), value);
      EXPECT_EQ(trace(packets.packet_address(), 20), 0U);  // cut
    }
  }
  // Addresses at which nothing can be read: no match, also for a filter that bytes of 0 would match.
  tracer = load_tracer(Filter::decode(std::vector<cbpfc::RawInsn>{
                                          {.code = 0x30}, {.code = 0x04, .k = 1}, {.code = 0x16}})
                           .value());
  EXPECT_NE(trace(packets.packet_address(), 1500), 0U);
  for (const std::uint64_t address :
       {0x0UL, 0x1000UL, 0x7ffffffff000UL, 0x8000000000000000UL, 0xffffffffffffff00UL}) {
    EXPECT_EQ(trace(address, 1500), 0U) << address;
  }
}

}  // namespace
}  // namespace differential

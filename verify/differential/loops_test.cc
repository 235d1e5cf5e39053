// SPDX-License-Identifier: BSD-3-Clause
//
// Programs with loops: fragments give the interpreter's answer, and that is libpcap's, for chains of
// headers, and for random loops.  Where a program goes round more often than kMostLoopTrips, a fragment does not
// match.

#include <bpf/bpf.h>
#include <cbpfc/pcap_filter.h>
#include <cbpfc/text.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "base/testing/thread_time.h"
#include "verify/differential/engines/target_engine.h"
#include "verify/differential/generators/chain_maker.h"
#include "verify/differential/generators/generator.h"
#include "verify/interpreter/interpret.h"
#include "verify/interpreter/machine.h"

namespace differential {
namespace {

using cbpfc::Filter;
using cbpfc::RawInsn;

constexpr std::size_t kMinTestRunBytes = 14;
constexpr std::size_t kMostTestRunBytes = 3000;  ///< what XDP test runs keep in one piece

/// Those that older kernels take first: what is skipped ends a test.
constexpr std::array kExpressions = {"ip protochain 51",
                                     "ip protochain 6",
                                     "ip6 protochain 6",
                                     "ip6 protochain 17",
                                     "protochain 6",
                                     "protochain 17 and not protochain 6",
                                     "not ip6 protochain 59 and greater 100",
                                     "vlan or ip6 protochain 6"};

Filter decode(const std::vector<RawInsn>& program) {
  return Filter::decode(program, cbpfc::Accept::Compiler).value();
}

Filter compile(const std::string& expression) {
  return decode(cbpfc::compile_expression(expression).value());
}

/// The value of a run, and how often it jumps back; no value after many more times than a fragment goes round.
struct CountedRun {
  std::optional<std::uint32_t> value;
  std::size_t jumps_back = 0;
};

CountedRun run_and_count(const Filter& filter, std::span<const std::uint8_t> packet) {
  cbpfc::Machine machine{.packet = packet,
                         .wire_length_bytes = static_cast<std::uint32_t>(packet.size())};
  CountedRun run;
  while (!machine.ended() && run.jumps_back < 8 * cbpfc::kMostLoopTrips) {
    const std::size_t before = machine.pc;
    machine.step(filter);
    run.jumps_back += machine.pc <= before && !machine.ended() ? 1U : 0U;
  }
  run.value = machine.result;
  return run;
}

struct Case {
  const char* name;
  Target target;
  std::uint32_t buffer_size_bytes;
};

class Loops : public testing::TestWithParam<Case> {
 protected:
  Loops() : engine_(runner_, GetParam().target, GetParam().buffer_size_bytes) {}

  bool is_direct() const { return GetParam().target == Target::Labels; }
  std::size_t most_bytes() const {
    return is_direct() ? kMostTestRunBytes : GetParam().buffer_size_bytes;
  }

  void load(const Filter& filter) {
    const auto insns = engine_.program(filter);
    ASSERT_TRUE(insns) << insns.error().message << "\n" << listing(filter);
    const std::string log = runner_.load(*insns);
    ASSERT_TRUE(log.empty()) << log.substr(0, 3000) << "\n"
                             << log.substr(log.size() - std::min<std::size_t>(log.size(), 500))
                             << listing(filter);
  }

  /// Runs as much of the packet as the target takes.
  void expect_agreement(const Filter& filter, std::span<const std::uint8_t> packet,
                        bool with_libpcap = true) {
    packet = packet.first(std::min(packet.size(), most_bytes()));
    if (is_direct() && packet.size() < kMinTestRunBytes) {
      return;
    }
    const CountedRun run = run_and_count(filter, packet);
    const bool is_within_bound = run.value && run.jumps_back <= cbpfc::kMostLoopTrips;
    ++(!is_within_bound ? beyond_ : *run.value != 0 ? matches_ : misses_);
    const std::uint32_t expected = is_within_bound ? *run.value : 0;
    ASSERT_EQ(engine_.run(packet), is_direct() ? std::min(expected, 1U) : expected)
        << listing(filter) << "\npacket of " << packet.size() << " bytes, " << run.jumps_back
        << " jumps back";
    if (is_within_bound && with_libpcap) {
      ASSERT_EQ(run_libpcap(filter.encode(), packet), expected) << listing(filter);
    }
  }

  static std::string listing(const Filter& filter) {
    return cbpfc::print_program(filter.encode(), cbpfc::TextForm::Listing);
  }

  XdpRunner runner_;
  TargetEngine engine_;
  int matches_ = 0;
  int misses_ = 0;
  int beyond_ = 0;
};

INSTANTIATE_TEST_SUITE_P(All, Loops,
                         testing::Values(Case{"Direct", Target::Labels, 2000},
                                         Case{"MapBufferOf200", Target::MapBuffer, 200},
                                         Case{"MapBufferOf2000", Target::MapBuffer, 2000},
                                         Case{"LargestMapBuffer", Target::MapBuffer, 65535},
                                         Case{"StackBuffer", Target::StackBuffer, 128},
                                         Case{"Probe", Target::Probe, 65535}),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(Loops, ChainsOfHeaders) {
  ChainMaker chains(1);
  for (const char* expression : kExpressions) {
    SCOPED_TRACE(expression);
    const Filter filter = compile(expression);
    load(filter);
    for (int n = 0; n < 400 && !HasFatalFailure(); ++n) {
      expect_agreement(filter, chains.packet(n % 4 == 0 ? most_bytes() : 120));
    }
    ASSERT_FALSE(HasFatalFailure());
  }
  EXPECT_GT(matches_, 100);
  EXPECT_GT(misses_, 100);
  EXPECT_GT(beyond_, 10);
}

TEST_P(Loops, ChainsCutAtEveryLength) {
  const Filter filter = compile("ip6 protochain 6");
  load(filter);
  for (const Packet& chain : {longest_chain(120, 6), longest_way(120, 6), endless_chain(120)}) {
    for (std::size_t length = 0; length <= chain.size() && !HasFatalFailure(); ++length) {
      expect_agreement(filter, std::span(chain).first(length));
    }
  }
}

TEST_P(Loops, ChainsAsLongAsTheBoundAndLonger) {
  const Filter filter = compile("ip6 protochain 6");
  load(filter);
  for (std::size_t length = 100; length <= std::min<std::size_t>(most_bytes(), 400); ++length) {
    expect_agreement(filter, longest_chain(length, 6));
    expect_agreement(filter, longest_way(length, 6));
    ASSERT_FALSE(HasFatalFailure()) << length;
  }
  EXPECT_GT(matches_, 10);
  EXPECT_TRUE(beyond_ > 10 || most_bytes() < 300);
}

/// A loop of random instructions: some way around it, or out of it, at random.
std::vector<RawInsn> random_loop(Generator& generator, std::mt19937_64& random) {
  std::vector<RawInsn> program = {{.code = 0x30, .k = static_cast<std::uint32_t>(random() % 20)},
                                  {.code = 0x07}};
  const std::size_t head = program.size();
  const auto add_some = [&](std::size_t most) {
    for (const RawInsn& insn : generator.program().encode()) {
      const bool jumps = (insn.code & 7) >= 5 && (insn.code & 7) <= 6;
      const bool uses_scratch = insn.code == 0x60 || insn.code == 0x61;
      if (!jumps && !uses_scratch && most > 0) {
        program.push_back(insn);
        --most;
      }
    }
  };
  add_some(random() % 4);
  program.push_back({.code = 0x50, .k = static_cast<std::uint32_t>(random() % 8)});
  add_some(random() % 4);
  constexpr std::array<std::uint16_t, 4> kConditions = {0x15, 0x25, 0x35, 0x45};
  const bool leaves_early = random() % 2 == 0;
  // Out of the loop, over what follows in it.
  program.push_back({.code = kConditions[random() % 4],
                     .jt = static_cast<std::uint8_t>(leaves_early ? 4 : 0),
                     .jf = static_cast<std::uint8_t>(leaves_early ? 0 : 4),
                     .k = static_cast<std::uint32_t>(random() % 6)});
  // A += X or X + constant, so that it gets somewhere.
  program.push_back(random() % 2 == 0 ? RawInsn{.code = 0x0c} : RawInsn{.code = 0x87});
  program.push_back({.code = 0x04, .k = static_cast<std::uint32_t>(random() % 9)});
  program.push_back({.code = 0x07});
  program.push_back({.code = 0x05, .k = static_cast<std::uint32_t>(head - program.size() - 1)});
  program.push_back({.code = 0x87});
  program.push_back({.code = 0x0c});
  program.push_back({.code = 0x04, .k = 1});
  program.push_back({.code = 0x16});
  return program;
}

TEST_P(Loops, RandomLoopsAgree) {
  Generator generator(7, Profile::Address);
  std::mt19937_64 random(8);
  constexpr int kPrograms = 100;
  for (int n = 0; n < kPrograms; ++n) {
    const Filter filter = decode(random_loop(generator, random));
    load(filter);
    for (int i = 0; i < 8 && !HasFatalFailure(); ++i) {
      Packet packet = generator.packet();
      if (i % 4 == 0) {
        packet.resize(std::min<std::size_t>(most_bytes(), 2900));
      }
      // libpcap differs on purpose where offsets leave 32 bits.
      expect_agreement(filter, packet, false);
    }
    ASSERT_FALSE(HasFatalFailure()) << "program " << n;
  }
  EXPECT_GT(matches_, kPrograms / 2);
}

}  // namespace
}  // namespace differential

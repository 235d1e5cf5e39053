// SPDX-License-Identifier: BSD-3-Clause
//
// Filters to C: what compilers make of the text gives the interpreter's answer, on the host and, through the
// verifier, in the kernel.
//
// The host takes many filters and many packets, cut at every length.  The kernel's part is about compilers:
// clang moves loads, comparisons and pointers, each version and level in its own way, and the verifier has
// to follow.
//
// DIFFERENTIAL_SEED chooses other random programs, DIFFERENTIAL_PROGRAMS (in hundredths) their number.

#include <bpf/libbpf.h>
#include <cbpfc/pcap_filter.h>
#include <cbpfc/text.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "verify/differential/engines/c_engine.h"
#include "verify/differential/engines/environment.h"
#include "verify/differential/engines/xdp_runner.h"
#include "verify/differential/generators/generator.h"
#include "verify/differential/generators/packet_maker.h"
#include "verify/differential/generators/shape_generator.h"
#include "verify/interpreter/interpret.h"

namespace differential {
namespace {

constexpr std::size_t kLongestCut = 120;
constexpr std::size_t kMinTestRunBytes =
    14;  ///< an Ethernet header; the kernel runs nothing shorter

/// A filter and packets for it.
struct Case {
  std::string name;
  std::vector<Packet> packets;
};

struct Cases {
  std::vector<cbpfc::Filter> filters;
  std::vector<Case> cases;

  void add(const std::string& name, cbpfc::Filter filter, std::size_t packets, std::uint64_t seed) {
    Dice dice(seed);
    cases.push_back({.name = name, .packets = explore(filter, packets, dice)});
    filters.push_back(std::move(filter));
  }
};

cbpfc::Filter compile(const std::string& expression) {
  const auto program = cbpfc::compile_expression(expression);
  EXPECT_TRUE(program) << expression;
  auto filter = cbpfc::Filter::decode(*program, cbpfc::Accept::Compiler);
  EXPECT_TRUE(filter) << filter.error().message;
  return *std::move(filter);
}

std::vector<std::string> expressions() {
  std::vector<std::string> lines;
  std::ifstream file(XDPCAP_TEST_DATA "/filters.txt");
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) {
      lines.push_back(line);
    }
  }
  EXPECT_GT(lines.size(), 40U);
  return lines;
}

Cases corpus(std::size_t packets) {
  Cases all;
  for (const std::string& expression : expressions()) {
    all.add(expression.substr(0, 200), compile(expression), packets, 1);
  }
  return all;
}

/// `programs` random ones, a third from each generator.
Cases random_cases(std::uint64_t programs, std::size_t packets) {
  const std::uint64_t seed = from_environment("DIFFERENTIAL_SEED", 1);
  programs = programs * from_environment("DIFFERENTIAL_PROGRAMS", 100) / 100;
  Cases all;
  for (std::uint64_t n = 0; n < programs; ++n) {
    const std::uint64_t program_seed = seed << 32 | n;
    const std::string name = fmt::format("program {} of seed {}", n, seed);
    switch (n % 3) {
      case 0: all.add(name, Generator(program_seed, Profile::Wide).program(), packets, n); break;
      case 1: all.add(name, Generator(program_seed, Profile::Address).program(), packets, n); break;
      default: all.add(name, ShapeGenerator(program_seed).program(), packets, n); break;
    }
  }
  return all;
}

/// What went by, so that a test can tell that it was something.
struct Tally {
  std::uint64_t runs = 0;
  std::uint64_t matches = 0;

  void expect_both_answers(std::uint64_t least) const {
    EXPECT_GT(runs, least);
    EXPECT_GT(matches, runs / 50);
    EXPECT_LT(matches, runs - runs / 50);
  }
};

/// Compares one answer; false when it is another.
bool agrees(const Cases& all, std::size_t i, std::span<const std::uint8_t> packet,
            std::uint32_t answer, Tally& tally) {
  const auto length = static_cast<std::uint32_t>(packet.size());
  const std::uint32_t expected = cbpfc::interpret(all.filters[i], packet, length).value();
  ++tally.runs;
  tally.matches += expected != 0 ? 1U : 0U;
  if (answer == expected) {
    return true;
  }
  ADD_FAILURE() << all.cases[i].name << ": " << answer << " for " << expected << ", packet of "
                << length << " bytes: " << fmt::format("{:02x}", fmt::join(packet, "")) << "\n"
                << cbpfc::print_program(all.filters[i].encode(), cbpfc::TextForm::Listing);
  return false;
}

/// Every packet cut at every length up to 120 bytes, and whole.
void expect_host_agreement(const Cases& all, bool optimize, std::uint64_t least) {
  const WorkDirectory work;
  const std::string words = run_compiler(
      "cc -O2 -Wall -Wextra -Wpedantic -Wconversion -Werror -Wno-unused-function -shared -fPIC",
      c_file_for_host(all.filters, optimize), work.file("filters.so"));
  ASSERT_EQ(words, "");
  const HostFunctions host(work.file("filters.so"), all.filters.size());
  ASSERT_EQ(host.failure(), "");
  Tally tally;
  for (std::size_t i = 0; i < all.filters.size(); ++i) {
    for (const Packet& packet : all.cases[i].packets) {
      for (std::size_t length = 0; length <= std::min(packet.size(), kLongestCut); ++length) {
        const std::span<const std::uint8_t> cut(packet.data(), length);
        ASSERT_TRUE(agrees(all, i, cut, host.run(i, cut), tally));
      }
      ASSERT_TRUE(agrees(all, i, packet, host.run(i, packet), tally));
    }
  }
  tally.expect_both_answers(least);
}

class CHost : public testing::TestWithParam<bool> {};

TEST_P(CHost, TheCorpusAgrees) {
  expect_host_agreement(corpus(12), GetParam(), 50'000);
}

TEST_P(CHost, RandomProgramsAgree) {
  expect_host_agreement(random_cases(300, 6), GetParam(), 10'000);
}

INSTANTIATE_TEST_SUITE_P(Optimized, CHost, testing::Bool());

/// The kernel takes `all` as `compiler` compiles it, and gives the interpreter's answers.
void expect_kernel_agreement(XdpRunner& runner, const Cases& all, const std::string& compiler,
                             bool optimize, std::uint64_t least) {
  SCOPED_TRACE(compiler + (optimize ? "" : ", unoptimised"));
  const WorkDirectory work;
  const std::string words = run_compiler(
      compiler +
          " -target bpf -mcpu=v3 -Wall -Wextra -Wpedantic -Wconversion -Werror -Wno-unused-function -c",
      c_file_for_bpf(all.filters, optimize), work.file("filters.o"));
  ASSERT_EQ(words, "");
  const BpfPrograms programs(work.file("filters.o"), all.filters.size());
  EXPECT_EQ(programs.refusals().size(), 0U)
      << fmt::format("{}", fmt::join(programs.refusals(), "\n"));
  Tally tally;
  for (std::size_t i = 0; i < all.filters.size(); ++i) {
    if (programs.fd(i) < 0) {
      continue;  // among the refusals
    }
    runner.select(programs.fd(i));
    for (const Packet& packet : all.cases[i].packets) {
      if (packet.size() >= kMinTestRunBytes) {
        ASSERT_TRUE(agrees(all, i, packet, runner.run(packet), tally));
      }
    }
  }
  tally.expect_both_answers(least);
}

class CKernel : public testing::TestWithParam<const char*> {
 protected:
  static XdpRunner& runner() {
    static XdpRunner one;
    return one;
  }
};

TEST_P(CKernel, TheCorpusAgrees) {
  const Cases all = corpus(8);
  for (const char* level : {"-O0", "-O1", "-O2", "-O3"}) {
    for (const bool optimize : {false, true}) {
      expect_kernel_agreement(runner(), all, fmt::format("{} {}", GetParam(), level), optimize,
                              300);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Clang, CKernel, testing::Values("clang-14", "clang-16", "clang-19"));

using CKernelRandom = CKernel;

TEST_P(CKernelRandom, ProgramsAgree) {
  for (const bool optimize : {false, true}) {
    expect_kernel_agreement(runner(), random_cases(100, 8), GetParam(), optimize, 300);
  }
}

INSTANTIATE_TEST_SUITE_P(Clang, CKernelRandom, testing::Values("clang-19 -O2"));

}  // namespace
}  // namespace differential

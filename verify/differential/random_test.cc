// SPDX-License-Identifier: BSD-3-Clause
//
// Random valid programs from fixed seeds: every engine gives the same answer, in every configuration.
//
// Each profile runs twice, with half of its programs each, so that ctest can use two processors.
// DIFFERENTIAL_SEED and DIFFERENTIAL_PROGRAMS (in hundredths of those below) choose others, for longer
// runs: see verify/nightly.

#include <gtest/gtest.h>

#include <functional>

#include "verify/differential/engines/environment.h"
#include "verify/differential/engines/set_engines.h"
#include "verify/differential/engines/trial.h"
#include "verify/differential/generators/generator.h"
#include "verify/differential/generators/packet_maker.h"
#include "verify/differential/generators/shape_generator.h"

namespace differential {
namespace {

constexpr std::uint64_t kUsualPrograms = 30;  // hundredths

constexpr std::size_t kKernelStep = 4;  ///< every so manieth packet runs in the kernel, too

std::uint64_t seed_of_part(std::uint64_t part) {
  return from_environment("DIFFERENTIAL_SEED", 1) * 2 + part;
}

/// Runs programs of `next(seed)`, a new generator for each so that one can be repeated alone.
void expect_agreement(std::uint64_t part, std::uint64_t programs,
                      const std::function<cbpfc::Filter(std::uint64_t)>& next) {
  const std::uint64_t seed = seed_of_part(part);
  programs = programs * from_environment("DIFFERENTIAL_PROGRAMS", kUsualPrograms) / 100;
  Engines engines;
  std::uint64_t runs = 0;
  std::uint64_t matches = 0;
  for (std::uint64_t n = 0; n < programs; ++n) {
    const std::uint64_t program_seed = seed << 32 | n;
    const cbpfc::Filter filter = next(program_seed);
    Dice dice(program_seed);
    const std::vector<Packet> packets = explore(filter, 10, dice);
    const std::string failure = try_program(engines, filter, packets, kKernelStep);
    ASSERT_TRUE(failure.empty()) << "program " << n << " of seed " << seed << ": " << failure;
    const std::vector<cbpfc::RawInsn> raw = filter.encode();
    for (const Packet& packet : packets) {
      ++runs;
      matches += run_libpcap(raw, packet) != 0 ? 1U : 0U;
    }
  }
  // A generator whose programs always, or never, match would prove little.
  EXPECT_GT(matches, runs / 10);
  EXPECT_LT(matches, runs - runs / 10);
}

class Random : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Random, AllInstructions) {
  expect_agreement(GetParam(), 15'000,
                   [](std::uint64_t seed) { return Generator(seed, Profile::Wide).program(); });
}

TEST_P(Random, Addresses) {
  expect_agreement(GetParam(), 10'000,
                   [](std::uint64_t seed) { return Generator(seed, Profile::Address).program(); });
}

TEST_P(Random, Shapes) {
  expect_agreement(GetParam(), 25'000,
                   [](std::uint64_t seed) { return ShapeGenerator(seed).program(); });
}

/// Sets give the number of the first filter that matches.
TEST_P(Random, Sets) {
  const std::uint64_t seed = seed_of_part(GetParam());
  const std::uint64_t sets = 30 * from_environment("DIFFERENTIAL_PROGRAMS", kUsualPrograms);
  SetEngines engines;
  std::uint64_t found = 0;
  std::uint64_t runs = 0;
  for (std::uint64_t n = 0; n < sets; ++n) {
    Dice dice(seed << 32 | n);
    const std::vector<cbpfc::Filter> filters =
        ShapeGenerator(seed << 32 | n).programs(dice.between(1, dice.one_in(8) ? 30 : 6));
    std::vector<Packet> packets;
    for (int i = 0; i < 3; ++i) {
      const std::vector<Packet> some = explore(dice.pick(filters), 4, dice);
      packets.insert(packets.end(), some.begin(), some.end());
    }
    const std::string failure = engines.try_set(filters, packets, kKernelStep);
    ASSERT_EQ(failure, "") << "set " << n << " of seed " << seed;
    for (const Packet& packet : packets) {
      ++runs;
      found += SetEngines::expected(filters, packet) != 0 ? 1U : 0U;
    }
  }
  EXPECT_GT(found, runs / 10);
  EXPECT_LT(found, runs - runs / 20);
}

INSTANTIATE_TEST_SUITE_P(Half, Random, testing::Values(0, 1));

}  // namespace
}  // namespace differential

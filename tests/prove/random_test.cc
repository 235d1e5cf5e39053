// SPDX-License-Identifier: BSD-3-Clause
//
// Random programs, proven.  Some compute what no solver follows in time (products of products); those
// are counted, and must be few.
//
// PROVE_PROGRAMS, PROVE_SEED: how many, and which.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "differential/generator.h"
#include "prove/corpus.h"
#include "prove/prove.h"

namespace cbpfc::prove {
namespace {

class Random : public testing::TestWithParam<std::tuple<differential::Profile, bool>> {};

TEST_P(Random, ProgramsAreProven) {
  const auto [profile, optimize] = GetParam();
  const std::uint64_t programs = setting("PROVE_PROGRAMS", 300);
  differential::Generator generator(setting("PROVE_SEED", 1), profile);
  Prover prover;
  std::uint64_t unknown = 0;
  for (std::uint64_t i = 0; i < programs; ++i) {
    const Filter filter = generator.program();
    const std::string failure =
        check(prover, filter, {.optimize = optimize}, {.timeout = std::chrono::seconds(5)});
    if (failure.starts_with("unknown: the solver did not end")) {
      ++unknown;
      continue;
    }
    ASSERT_TRUE(failure.empty()) << "program " << i << ": " << failure;
  }
  fmt::print("{} of {} programs proven, the others not in time\n", programs - unknown, programs);
  EXPECT_LE(unknown, programs / 100);
}

INSTANTIATE_TEST_SUITE_P(
    Profiles, Random,
    testing::Combine(testing::Values(differential::Profile::Wide, differential::Profile::Address),
                     testing::Bool()),
    [](const auto& param) {
      return std::string(std::get<0>(param.param) == differential::Profile::Wide ? "Wide"
                                                                                 : "Address") +
             (std::get<1>(param.param) ? "Optimised" : "Plain");
    });

}  // namespace
}  // namespace cbpfc::prove

// SPDX-License-Identifier: BSD-3-Clause
//
// Random programs, proven.  Some compute what no solver follows in time (products of products); those
// are counted, and must be few.
//
// PROVE_PROGRAMS, PROVE_SEED: how many, and which.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "verify/differential/generators/generator.h"
#include "verify/differential/generators/shape_generator.h"
#include "verify/prove/prove.h"
#include "verify/prove/tests/corpus.h"

namespace cbpfc::prove {
namespace {

enum class Kind : std::uint8_t { Wide, Address, Shape };

/// Draws programs one after the other.
class Programs {
 public:
  Programs(Kind kind, std::uint64_t seed)
      : kind_(kind),
        instructions_(seed, kind == Kind::Wide ? differential::Profile::Wide
                                               : differential::Profile::Address),
        shapes_(seed) {}

  Filter next() { return kind_ == Kind::Shape ? shapes_.program() : instructions_.program(); }

 private:
  Kind kind_;
  differential::Generator instructions_;
  differential::ShapeGenerator shapes_;
};

class Random : public testing::TestWithParam<std::tuple<Kind, bool>> {};

TEST_P(Random, ProgramsAreProven) {
  const auto [kind, optimize] = GetParam();
  const std::uint64_t count = setting("PROVE_PROGRAMS", 250);
  Programs programs(kind, setting("PROVE_SEED", 1));
  const EbpfOptions few = {.optimize = optimize};
  const EbpfOptions many = {.spare = {ebpf::Reg::R0, ebpf::Reg::R1, ebpf::Reg::R8, ebpf::Reg::R9},
                            .optimize = optimize};
  Prover prover;
  std::uint64_t unknown = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string failure = check(prover, programs.next(), i % 2 == 0 ? few : many,
                                      {.timeout = std::chrono::seconds(5)});
    if (failure.starts_with("unknown: the solver did not end")) {
      ++unknown;
      continue;
    }
    ASSERT_TRUE(failure.empty()) << "program " << i << ": " << failure;
  }
  fmt::print("{} of {} programs proven, the others not in time\n", count - unknown, count);
  EXPECT_LE(unknown, count / 100);
}

std::string name_of(const testing::TestParamInfo<std::tuple<Kind, bool>>& info) {
  const auto [kind, optimize] = info.param;
  const char* name = kind == Kind::Wide ? "Wide" : kind == Kind::Address ? "Address" : "Shape";
  return std::string(name) + (optimize ? "Optimised" : "Plain");
}

INSTANTIATE_TEST_SUITE_P(Kinds, Random,
                         testing::Combine(testing::Values(Kind::Wide, Kind::Address, Kind::Shape),
                                          testing::Bool()),
                         name_of);

}  // namespace
}  // namespace cbpfc::prove

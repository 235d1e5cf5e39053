// SPDX-License-Identifier: BSD-3-Clause
//
// Random expressions and lists of up to 500 terms: they compile, the verifier accepts them, every engine gives the same
// answer.
//
// DIFFERENTIAL_SEED and DIFFERENTIAL_PROGRAMS (in hundredths) choose others: see verify/nightly.

#include <cbpfc/pcap_filter.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <optional>

#include "base/testing/thread_time.h"
#include "verify/differential/engines/environment.h"
#include "verify/differential/engines/trial.h"
#include "verify/differential/generators/expression_generator.h"
#include "verify/differential/generators/packet_maker.h"

namespace differential {
namespace {

constexpr std::uint64_t kUsualPrograms = 30;  // hundredths

/// nullopt when libpcap refuses the expression.
std::optional<cbpfc::Filter> compile(const std::string& expression) {
  const auto program = cbpfc::compile_expression(expression, {.may_match_nothing = true});
  if (!program) {
    return std::nullopt;
  }
  auto filter = cbpfc::Filter::decode(*program, cbpfc::Accept::Compiler);
  EXPECT_TRUE(filter) << expression << ": " << filter.error().message;
  return filter ? std::optional(*std::move(filter)) : std::nullopt;
}

std::string try_expression(Engines& engines, const cbpfc::Filter& filter, std::uint64_t seed,
                           std::size_t paths) {
  constexpr std::size_t kKernelStep = 4;
  Dice dice(seed);
  return try_program(engines, filter, explore(filter, paths, dice), kKernelStep);
}

/// The optimised fragment of a long list, loaded and run.  The plain ones are for the shorter lists: the
/// verifier takes seconds for a guard before each of thousands of loads.
std::string try_long_list(EbpfEngine& engine, const cbpfc::Filter& filter, std::uint64_t seed,
                          std::size_t paths) {
  if (std::string failure = engine.load(filter); !failure.empty()) {
    return failure;
  }
  Dice dice(seed);
  for (const Packet& packet : explore(filter, paths, dice)) {
    std::uint32_t value = 0;
    if (std::string failure = engine.run(packet, value); !failure.empty()) {
      return failure;
    }
    if (value != expect(filter, packet).value) {
      return fmt::format("the kernel says {:#x}, expected {:#x}, packet of {} bytes", value,
                         expect(filter, packet).value, packet.size());
    }
  }
  return {};
}

class Expressions : public testing::TestWithParam<std::uint64_t> {
 protected:
  std::uint64_t seed() const { return from_environment("DIFFERENTIAL_SEED", 1) * 2 + GetParam(); }
};

TEST_P(Expressions, Nested) {
  const std::uint64_t expressions = 15 * from_environment("DIFFERENTIAL_PROGRAMS", kUsualPrograms);
  constexpr std::size_t kPaths = 12;
  ExpressionGenerator generator(seed());
  Engines engines;
  std::uint64_t compiled = 0;
  for (std::uint64_t n = 0; n < expressions; ++n) {
    const std::string expression = generator.expression(4);
    const auto filter = compile(expression);
    if (!filter) {
      continue;
    }
    ++compiled;
    const std::string failure = try_expression(engines, *filter, n, kPaths);
    ASSERT_EQ(failure, "") << expression;
  }
  EXPECT_GT(compiled, expressions / 2);
}

TEST_P(Expressions, Lists) {
  const std::uint64_t lists = from_environment("DIFFERENTIAL_PROGRAMS", kUsualPrograms) / 12;
  constexpr std::size_t kPaths = 6;
  constexpr std::uint32_t kShort = 40;
  ExpressionGenerator generator(seed());
  Dice dice(seed());
  Engines engines;
  XdpRunner runner;
  EbpfEngine optimised(runner, configuration("optimised"));
  std::uint64_t compiled = 0;
  double slowest_s = 0;
  for (std::uint64_t n = 0; n < lists; ++n) {
    const std::uint32_t terms = dice.one_in(2) ? dice.between(2, kShort) : dice.between(100, 500);
    const std::string expression = generator.list(terms);
    const auto filter = compile(expression);
    if (!filter) {
      continue;
    }
    ++compiled;
    const double start_s = ::test::thread_seconds();
    EXPECT_TRUE(cbpfc::compile_ebpf(*filter, {}));
    slowest_s = std::max(slowest_s, ::test::thread_seconds() - start_s);
    const std::string failure = terms > kShort ? try_long_list(optimised, *filter, n, kPaths)
                                               : try_expression(engines, *filter, n, kPaths);
    ASSERT_EQ(failure, "") << expression;
  }
  EXPECT_GE(compiled, lists * 3 / 4);
  // A list of 1,000 is to take less than a second; this machine may be slow, and its other CPU busy.
  EXPECT_LT(slowest_s, 5.0);
}

INSTANTIATE_TEST_SUITE_P(Half, Expressions, testing::Values(0, 1));

}  // namespace
}  // namespace differential

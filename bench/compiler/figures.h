// SPDX-License-Identifier: BSD-3-Clause
//
// The figures the compiler is held to, with what was measured.
//
// A ratio below 1 means the optimised code is better.  Means over filters are geometric, over every
// filter on both of its packets; a filter that costs less than kFloorNs counts as that much, since
// no difference of two noisy times tells such costs apart.
//
// Tested by: bench/tests/figures_test.cc.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/compiler/results.h"

namespace bench {

inline constexpr double kFloorNs = 0.05;

struct Figure {
  std::string what;
  double limit = 0;                               ///< at most
  std::optional<double> measured = std::nullopt;  ///< none: not in this run
  std::string unit = {};                          ///< empty for ratios
  std::string note = {};                          ///< which filter it was

  bool is_reached() const { return measured && *measured <= limit; }
};

std::vector<Figure> figures(const Results& results);

/// The optimised code's time to clang's on one filter, by the sum of both packets' medians.
struct FilterRatio {
  std::string expression;
  double ratio = 0;
};

/// The worst first.
std::vector<FilterRatio> times_to_clang(const std::vector<FilterRow>& rows);

/// The optimised code's geometric mean ratio to another contender, over `rows`; none when there is
/// nothing to compare.
std::optional<double> emitted_ratio(const std::vector<FilterRow>& rows, Contender other);
std::optional<double> executed_ratio(const std::vector<FilterRow>& rows, Contender other);
enum class Statistic : std::uint8_t { Median, P10 };
std::optional<double> time_ratio(const std::vector<FilterRow>& rows, Contender other, Statistic by);

/// The value a summary is compared by, at least kFloorNs.
double nanoseconds(const Summary& summary, Statistic by);

}  // namespace bench

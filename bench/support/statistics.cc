// SPDX-License-Identifier: BSD-3-Clause

#include "bench/support/statistics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <functional>

namespace bench {

double quantile(std::vector<double> values, double q) {
  assert(!values.empty());
  std::ranges::sort(values);
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  const double share = place - static_cast<double>(below);
  return values[below] + share * (values[above] - values[below]);
}

double geometric_mean(std::span<const double> values) {
  assert(!values.empty());
  double sum_of_logarithms = 0;
  for (const double value : values) {
    assert(value > 0);
    sum_of_logarithms += std::log(value);
  }
  return std::exp(sum_of_logarithms / static_cast<double>(values.size()));
}

Summary summarize_difference(const std::vector<double>& minuend,
                             const std::vector<double>& subtrahend, double divisor) {
  assert(minuend.size() == subtrahend.size());
  std::vector<double> differences(minuend.size());
  std::ranges::transform(minuend, subtrahend, differences.begin(), std::minus{});
  return {.median = quantile(differences, 0.5) / divisor,
          .p10 = (quantile(minuend, 0.1) - quantile(subtrahend, 0.1)) / divisor,
          .iqr = (quantile(differences, 0.75) - quantile(differences, 0.25)) / divisor};
}

}  // namespace bench

// SPDX-License-Identifier: BSD-3-Clause

#include "statistics.h"

#include <algorithm>
#include <cassert>
#include <cmath>

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

Summary summarize(const std::vector<double>& values) {
  return {.median = quantile(values, 0.5),
          .p10 = quantile(values, 0.1),
          .iqr = quantile(values, 0.75) - quantile(values, 0.25)};
}

}  // namespace bench

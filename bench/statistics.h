// SPDX-License-Identifier: BSD-3-Clause
//
// The few statistics the benchmark needs.  Timings are skewed (nothing is ever faster than the
// code, much can be slower), so quantiles, no means; ratios are averaged geometrically, so that "twice
// as fast" and "half as fast" cancel.
//
// Tested by: tests/unit/bench/statistics_test.cc.

#pragma once

#include <span>
#include <vector>

namespace bench {

/// The value below which a part `q` (0 to 1) of `values` lies, between two of them linearly.
/// Requires: `values` is not empty.
double quantile(std::vector<double> values, double q);

/// The geometric mean.  Requires: `values` is not empty, and all are positive.
double geometric_mean(std::span<const double> values);

struct Summary {
  double median = 0;
  double p10 = 0;  ///< the tenth percentile: what it costs when nothing disturbs
  double iqr = 0;  ///< the distance of the quartiles
};

/// Requires: `values` is not empty.
Summary summarize(const std::vector<double>& values);

}  // namespace bench

// SPDX-License-Identifier: BSD-3-Clause
//
// The few statistics the benchmark needs.  Timings are skewed (nothing is ever faster than the
// code, much can be slower), so quantiles, no means; ratios are averaged geometrically, so that "twice
// as fast" and "half as fast" cancel.
//
// Tested by: bench/tests/statistics_test.cc.

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
  double p10 = 0;  ///< by the tenth percentile: what it costs when nothing disturbs
  double iqr = 0;  ///< the distance of the quartiles
};

/// The difference of two series that were measured in pairs, divided by `divisor`.
///
/// Median and quartiles are those of the pairs' differences.  The tenth percentile is the difference of
/// the series' tenth percentiles: that of the differences would be the pairs in which the subtrahend was
/// disturbed.
/// Requires: the series have the same length and are not empty.
Summary summarize_difference(const std::vector<double>& minuend,
                             const std::vector<double>& subtrahend, double divisor);

}  // namespace bench

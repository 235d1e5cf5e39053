// SPDX-License-Identifier: BSD-3-Clause

#include "bench/support/statistics.h"

#include <gtest/gtest.h>

namespace bench {
namespace {

TEST(Statistics, QuantilesLieBetweenValues) {
  const std::vector<double> values = {40, 10, 30, 20, 50};
  EXPECT_DOUBLE_EQ(quantile(values, 0), 10);
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 30);
  EXPECT_DOUBLE_EQ(quantile(values, 0.1), 14);
  EXPECT_DOUBLE_EQ(quantile(values, 1), 50);
  EXPECT_DOUBLE_EQ(quantile({1, 2}, 0.5), 1.5);
  EXPECT_DOUBLE_EQ(quantile({7}, 0.9), 7);
}

TEST(Statistics, AHalfAndADoubleCancel) {
  const std::vector<double> ratios = {0.5, 2, 1};
  EXPECT_DOUBLE_EQ(geometric_mean(ratios), 1);
  const std::vector<double> powers = {2, 8};
  EXPECT_DOUBLE_EQ(geometric_mean(powers), 4);
}

TEST(Statistics, DifferenceOfPairs) {
  std::vector<double> with;
  std::vector<double> without;
  for (int i = 100; i >= 0; --i) {
    without.push_back(i % 7);
    with.push_back(i % 7 + 3 * i);
  }
  const Summary summary = summarize_difference(with, without, 3);
  EXPECT_DOUBLE_EQ(summary.median, 50);
  EXPECT_DOUBLE_EQ(summary.iqr, 50);
}

/// Disturbed subtrahends make differences small, and even negative; the tenth percentile ignores them.
TEST(Statistics, TheTenthPercentileIsThatOfTheSeries) {
  const std::vector<double> with = {20, 20, 20, 20, 90};
  const std::vector<double> without = {70, 10, 10, 10, 10};
  EXPECT_DOUBLE_EQ(summarize_difference(with, without, 2).p10, 5);
}

}  // namespace
}  // namespace bench

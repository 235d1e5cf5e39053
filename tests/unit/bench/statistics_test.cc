// SPDX-License-Identifier: BSD-3-Clause

#include "bench/statistics.h"

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

TEST(Statistics, SummaryOfAHundred) {
  std::vector<double> values;
  for (int i = 100; i >= 0; --i) {
    values.push_back(i);
  }
  const Summary summary = summarize(values);
  EXPECT_DOUBLE_EQ(summary.median, 50);
  EXPECT_DOUBLE_EQ(summary.p10, 10);
  EXPECT_DOUBLE_EQ(summary.iqr, 50);
}

}  // namespace
}  // namespace bench

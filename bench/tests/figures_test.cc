// SPDX-License-Identifier: BSD-3-Clause

#include "bench/compiler/figures.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace bench {
namespace {

Score score(std::size_t emitted, std::uint64_t match, std::uint64_t miss, double match_ns,
            double miss_ns) {
  Score result{.emitted_insns = emitted};
  result.executed_insns[PacketKind::Match] = match;
  result.executed_insns[PacketKind::Miss] = miss;
  result.filter_ns[PacketKind::Match] = Summary{.median = match_ns, .p10 = match_ns / 2};
  result.filter_ns[PacketKind::Miss] = Summary{.median = miss_ns, .p10 = miss_ns / 2};
  return result;
}

FilterRow row(const std::string& expression, const Score& plain, const Score& optimized,
              const Score& clang) {
  FilterRow result{.expression = expression};
  result.scores[Contender::Plain] = plain;
  result.scores[Contender::Optimized] = optimized;
  result.scores[Contender::Clang] = clang;
  return result;
}

ListRow list(const std::string& kind, int terms, double plain_ns, double optimized_ns,
             double clang_ns) {
  ListRow result{.name = std::to_string(terms) + " " + kind, .kind = kind, .terms = terms};
  result.scores[Contender::Plain].filter_ns = Summary{.median = plain_ns};
  result.scores[Contender::Optimized].filter_ns = Summary{.median = optimized_ns};
  result.scores[Contender::Clang].filter_ns = Summary{.median = clang_ns};
  return result;
}

Figure find(const std::vector<Figure>& all, const std::string& what) {
  const auto found = std::ranges::find(all, what, &Figure::what);
  EXPECT_NE(found, all.end()) << what;
  return found == all.end() ? Figure{} : *found;
}

Results two_filters() {
  Results results;
  // A half and an eighth of the unoptimised code: a quarter in the mean.
  results.filters.push_back(
      row("a", score(20, 8, 8, 4, 4), score(10, 4, 4, 2, 2), score(10, 8, 8, 1, 1)));
  results.filters.push_back(
      row("b", score(40, 16, 16, 8, 8), score(5, 2, 2, 1, 1), score(10, 2, 2, 2, 2)));
  return results;
}

TEST(Figures, RatiosAreGeometricMeansOverFiltersAndPackets) {
  const auto all = figures(two_filters());
  const Figure to_plain = find(all, "time to unoptimised, geometric mean");
  EXPECT_NEAR(to_plain.measured.value(), 0.25, 1e-9);
  EXPECT_TRUE(to_plain.is_reached());
  EXPECT_NEAR(find(all, "time to clang, geometric mean").measured.value(), 1, 1e-9);
  EXPECT_FALSE(find(all, "time to clang, geometric mean").is_reached());
  EXPECT_NEAR(find(all, "instructions executed to unoptimised, geometric mean").measured.value(),
              0.25, 1e-9);
  EXPECT_NEAR(find(all, "instructions emitted to unoptimised, geometric mean").measured.value(),
              0.25, 1e-9);
}

TEST(Figures, TheWorstFilterIsNamed) {
  const Figure worst = find(figures(two_filters()), "time, the filter that loses most to clang");
  EXPECT_NEAR(worst.measured.value(), 2, 1e-9);
  EXPECT_EQ(worst.note, "a");
  const auto all = times_to_clang(two_filters().filters);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all.back().expression, "b");
  EXPECT_NEAR(all.back().ratio, 0.5, 1e-9);
}

TEST(Figures, WhatOneContenderCouldNotCompileIsNotCompared) {
  Results results = two_filters();
  results.filters[0].scores[Contender::Clang].failure = "refused";
  const Figure figure = find(figures(results), "time to clang, geometric mean");
  EXPECT_NEAR(figure.measured.value(), 0.5, 1e-9);
}

TEST(Figures, WithoutTimesNothingIsReached) {
  Results results = two_filters();
  for (FilterRow& filter : results.filters) {
    filter.scores[Contender::Optimized].filter_ns = {};
  }
  const Figure figure = find(figures(results), "time to unoptimised, geometric mean");
  EXPECT_FALSE(figure.measured.has_value());
  EXPECT_FALSE(figure.is_reached());
}

TEST(Figures, TimesBelowTheFloorCountAsTheFloor) {
  EXPECT_DOUBLE_EQ(nanoseconds({.median = -0.2, .p10 = -1}, Statistic::Median), kFloorNs);
  EXPECT_DOUBLE_EQ(nanoseconds({.median = 3, .p10 = 2}, Statistic::P10), 2);
}

TEST(Figures, ListsCountByTheirWorst) {
  Results results;
  results.lists = {list("hosts", 16, 10, 10, 10), list("hosts", 256, 80, 20, 30),
                   list("nets", 256, 80, 60, 90), list("source hosts", 256, 80, 80, 10),
                   list("hosts", 1000, 0, 45, 0)};
  const auto all = figures(results);
  const Figure worst = find(all, "random keys, 256 terms, worst list to unoptimised");
  EXPECT_NEAR(worst.measured.value(), 0.75, 1e-9);
  EXPECT_EQ(worst.note, "256 nets");
  const Figure thousand = find(all, "random keys, 1000 hosts over 16 hosts");
  EXPECT_NEAR(thousand.measured.value(), 35, 1e-9);
  EXPECT_TRUE(thousand.is_reached());
  EXPECT_FALSE(find(all, "random keys, 64 terms, worst list to clang").measured.has_value());
}

}  // namespace
}  // namespace bench

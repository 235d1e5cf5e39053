// SPDX-License-Identifier: BSD-3-Clause

#include "bench/live/live_summary.h"

#include <gtest/gtest.h>

#include "bench/capture/capture_figures.h"
#include "bench/capture/cost_cases.h"

namespace bench {
namespace {

/// A run of `seconds` in which a million packets arrived, beside a baseline of so many million a second.
LiveRun run(const std::string& what, int round, double seconds, double baseline_million,
            std::uint64_t written = 0) {
  return {.what = what,
          .reader = what == case_name::kNoCapture ? ReaderKind::None : ReaderKind::Xdpcap,
          .packet_bytes = 64,
          .round = round,
          .sent = {.sent = 1'000'000, .arrived = 1'000'000, .seconds = seconds},
          .baseline_per_second = baseline_million * 1e6,
          .written = written,
          .lost = written == 0 ? 0 : 1'000'000 - written};
}

/// Three rounds; the machine was slow in the second.
std::vector<LiveRun> three_rounds() {
  std::vector<LiveRun> runs = {run(case_name::kEverything, 1, 0.4, 5, 1'000'000),
                               run(case_name::kNoCapture, 1, 0.2, 5),
                               run(case_name::kNoCapture, 2, 2, 0.5),
                               run(case_name::kEverything, 2, 4, 0.5, 900'000),
                               run(case_name::kEverything, 3, 0.5, 5, 800'000),
                               run(case_name::kPerfTuned, 1, 0.8, 5, 500'000),
                               run(case_name::kPerfTuned, 3, 1, 5, 200'000)};
  runs[0].most_resident_bytes = 100;
  runs[0].resident_ring_bytes = 30;
  return runs;
}

TEST(LiveSummary, ARunIsComparedWithItsOwnBaseline) {
  const std::vector<LiveRun> runs = three_rounds();
  EXPECT_DOUBLE_EQ(runs[0].to_no_capture(), 0.5);
  EXPECT_DOUBLE_EQ(runs[3].to_no_capture(), 0.5);
  EXPECT_DOUBLE_EQ(runs[4].to_no_capture(), 0.4);
  EXPECT_DOUBLE_EQ(runs[1].to_no_capture(), 1);
  EXPECT_DOUBLE_EQ(LiveRun{}.to_no_capture(), 0);
  EXPECT_DOUBLE_EQ(LiveRun{}.written_per_second(), 0);
}

TEST(LiveSummary, OtherTargetsAndSizesAreOtherRows) {
  std::vector<LiveRun> runs(3, run(case_name::kEverything, 1, 1, 1));
  runs[1].action = xdpcap::Action::Pass;
  runs[2].packet_bytes = 1500;
  EXPECT_EQ(summarize_live(runs, live_cases()).size(), 3U);
  EXPECT_EQ(summarize_live({}, live_cases()).size(), 0U);
}

TEST(LiveSummary, MediansAndSumsOverTheRounds) {
  const std::vector<LiveRow> rows = summarize_live(three_rounds(), live_cases());
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].what, case_name::kNoCapture) << "in the order of the cases";
  const LiveRow& row = rows[1];
  EXPECT_EQ(row.what, case_name::kEverything);
  EXPECT_DOUBLE_EQ(row.packets_per_second, 2e6);
  EXPECT_DOUBLE_EQ(row.to_no_capture.least, 0.4);
  EXPECT_DOUBLE_EQ(row.to_no_capture.median, 0.5);
  EXPECT_DOUBLE_EQ(row.to_no_capture.most, 0.5);
  EXPECT_DOUBLE_EQ(row.written_per_second, 1.6e6);
  EXPECT_DOUBLE_EQ(row.lost_share, 0.1);
  EXPECT_EQ(row.lost, 300'000U);
  EXPECT_EQ(row.most_own_bytes, 70U);
}

TEST(LiveSummary, RatiosAreThoseWithinARound) {
  const std::vector<LiveRun> runs = three_rounds();
  const RunKey everything{.what = case_name::kEverything, .packet_bytes = 64};
  const RunKey tuned{.what = case_name::kPerfTuned, .packet_bytes = 64};
  EXPECT_DOUBLE_EQ(median_ratio(runs, everything, tuned, Rate::Forwarded).value_or(0), 2);
  EXPECT_DOUBLE_EQ(median_ratio(runs, everything, tuned, Rate::Written).value_or(0), 6);
  EXPECT_DOUBLE_EQ(median_share(runs, everything).value_or(0), 0.5);
  EXPECT_EQ(median_share(runs, {.what = case_name::kTcpdump}), std::nullopt);
  EXPECT_EQ(median_ratio(runs, everything, {.what = case_name::kTcpdump}, Rate::Written),
            std::nullopt);
}

TEST(CaptureFigures, WithoutMeasurementsNothingIsReached) {
  for (const CaptureFigure& figure : capture_figures({})) {
    EXPECT_EQ(figure.measured, std::nullopt) << figure.what;
    EXPECT_FALSE(figure.is_reached()) << figure.what;
  }
}

TEST(CaptureFigures, AreTakenFromTheRuns) {
  CaptureResults results{
      .costs = {{.what = "recorded", .packet_bytes = 64, .ns = {120}, .above_ns = {100}},
                {.what = "perf buffer, tuned", .packet_bytes = 64, .ns = {210}, .above_ns = {190}},
                {.what = cost_name::kOnlyReturns, .packet_bytes = 64, .above_ns = {2}},
                {.what = cost_name::kNotMatching, .packet_bytes = 64, .above_ns = {8}},
                {.what = cost_name::followed_by(3), .packet_bytes = 64, .above_ns = {35}}},
      .live = {.runs = three_rounds()}};
  results.live.runs[0].imbalance = "1 received, 2 arrived";
  const auto figure = [&](std::string_view what) {
    for (const CaptureFigure& one : capture_figures(results)) {
      if (one.what == what) {
        return one;
      }
    }
    ADD_FAILURE() << "no figure " << what;
    return CaptureFigure{};
  };
  EXPECT_TRUE(figure("64 B, recorded, above an empty hook").is_reached());
  EXPECT_DOUBLE_EQ(
      figure("64 B, not matching, above a program that only returns").measured.value_or(0), 6);
  EXPECT_DOUBLE_EQ(figure("64 B, not matching, each of 3 further captures").measured.value_or(0),
                   9);
  EXPECT_EQ(figure("64 B, not matching, each of 7 further captures").measured, std::nullopt);
  EXPECT_FALSE(figure("64 B, recorded, to the tuned perf buffer").is_reached());
  EXPECT_DOUBLE_EQ(figure("64 B, everything, forwarded, to no capture").measured.value_or(0), 0.5);
  EXPECT_FALSE(figure("64 B, everything, forwarded, to no capture").is_reached());
  EXPECT_DOUBLE_EQ(figure("64 B, everything, lost with 64 MiB a CPU, packets").measured.value_or(0),
                   300'000);
  EXPECT_DOUBLE_EQ(figure("captures whose numbers do not add up").measured.value_or(0), 1);
}

}  // namespace
}  // namespace bench

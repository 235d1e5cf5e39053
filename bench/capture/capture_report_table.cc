// SPDX-License-Identifier: BSD-3-Clause

#include <fmt/format.h>

#include <array>

#include "bench/capture/capture_report.h"
#include "bench/live/live_summary.h"
#include "bench/support/statistics.h"

namespace bench {
namespace {

constexpr double kMib = 1024.0 * 1024.0;

std::string costs_table(const std::vector<CaptureCost>& costs) {
  std::string text = fmt::format("{:<36} {:>6} {:>8} {:>16}\n", "on one CPU, BPF_PROG_TEST_RUN",
                                 "bytes", "ns", "above empty, ns");
  for (const CaptureCost& cost : costs) {
    text += fmt::format("{:<36} {:>6} {:>8.1f} {:>16.1f}\n", cost.what, cost.packet_bytes,
                        quantile(cost.ns, 0.5), quantile(cost.above_ns, 0.5));
  }
  return text;
}

/// A line of the live table: what, target, bytes, and numbers.
std::string live_cells(const std::array<std::string, 11>& cells) {
  return fmt::format("{:<33} {:>6} {:>5} {:>8} {:>16} {:>7} {:>6} {:>8} {:>6} {:>5} {:>5}\n",
                     cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6], cells[7],
                     cells[8], cells[9], cells[10]);
}

std::string live_line(const LiveRow& row) {
  const bool has_reader = row.what != case_name::kNoCapture;
  const auto if_reader = [has_reader](double value, int digits) {
    return has_reader ? fmt::format("{:.{}f}", value, digits) : std::string("-");
  };
  const Spread& share = row.to_no_capture;
  return live_cells(
      {row.what, short_name(row.action), std::to_string(row.packet_bytes),
       fmt::format("{:.2f}", row.packets_per_second / kMillion),
       fmt::format("{:.2f} ({:.2f}-{:.2f})", share.median, share.least, share.most),
       if_reader(row.written_per_second / kMillion, 2), if_reader(100 * row.lost_share, 1),
       row.cpu_seconds_per_million ? fmt::format("{:.2f}", *row.cpu_seconds_per_million) : "-",
       if_reader(static_cast<double>(row.most_own_bytes) / kMib, 1),
       if_reader(static_cast<double>(row.ring_bytes) / kMib, 0),
       if_reader(row.file_bytes / kMib, 0)});
}

std::string live_table(const LiveResults& live) {
  std::string text =
      live_cells({"through a veth pair, live", "target", "bytes", "million", "to no capture",
                  "written", "lost", "reader", "memory", "rings", "file"}) +
      live_cells({"", "", "", "/s", "(least-most)", "M/s", "%", "s/M", "MiB", "MiB", "MiB"});
  for (const LiveRow& row : summarize_live(live.runs, live_cases())) {
    text += live_line(row);
  }
  for (const LiveRun& run : live.full) {
    text += fmt::format(
        "full length, {} B: {} sent, {} captured, {} lost, {:.2f} million/s through the target, {:.2f} of "
        "no capture, "
        "{:.2f} s of the reader's CPU, {:.1f} MiB beside the rings, file of {:.0f} MiB\n",
        run.packet_bytes, run.sent.sent, run.written, run.lost,
        run.sent.packets_per_second() / kMillion, run.to_no_capture(), run.reader_cpu_seconds,
        static_cast<double>(run.own_bytes()) / kMib, static_cast<double>(run.file_bytes) / kMib);
  }
  return text;
}

std::string imbalances(const LiveResults& live) {
  std::string text;
  for (const auto* runs : {&live.runs, &live.full}) {
    for (const LiveRun& run : *runs) {
      if (!run.imbalance.empty()) {
        text += fmt::format("Does not add up: {}, {} B, round {}: {}\n", run.what, run.packet_bytes,
                            run.round, run.imbalance);
      }
    }
  }
  return text;
}

std::string figures_table(const CaptureResults& results) {
  std::string text = fmt::format("{:<62}{:>14}{:>12}\n", "figure to reach", "limit", "measured");
  for (const CaptureFigure& figure : capture_figures(results)) {
    const auto with_unit = [&figure](double value) {
      return fmt::format("{:.{}f}{}{}", value, figure.digits, figure.unit.empty() ? "" : " ",
                         figure.unit);
    };
    text += fmt::format("{:<62}{:>14}{:>12}  {}\n", figure.what,
                        (figure.bound == Bound::Upper ? "<= " : ">= ") + with_unit(figure.limit),
                        figure.measured ? with_unit(*figure.measured) : "-",
                        !figure.measured      ? "not measured"
                        : figure.is_reached() ? "reached"
                                              : "not reached");
  }
  return text;
}

}  // namespace

std::string capture_table(const CaptureResults& results) {
  std::string text;
  if (!results.costs.empty()) {
    text += costs_table(results.costs) + "\n";
  }
  if (!results.live.runs.empty()) {
    text += live_table(results.live) + "\n";
  }
  text += imbalances(results.live);
  for (const std::string& failure : results.live.failures) {
    text += "Not measured: " + failure + "\n";
  }
  return text + figures_table(results);
}

}  // namespace bench

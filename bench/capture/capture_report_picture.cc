// SPDX-License-Identifier: BSD-3-Clause
//
// The picture, drawn by gnuplot: cost by packet size, rate through the target, and what became of the packets.

#include <fmt/format.h>

#include "bench/capture/capture_report.h"
#include "bench/capture/cost_cases.h"
#include "bench/live/live_summary.h"
#include "bench/support/gnuplot.h"
#include "bench/support/statistics.h"

namespace bench {
namespace {

/// Lines: nanoseconds above the empty hook by size, for a record and for the original's mechanism.
std::string cost_panel(const std::vector<CaptureCost>& costs) {
  std::string text;
  std::string plots;
  int block = 0;
  for (const char* what : {cost_name::kRecorded, cost_name::kPerf}) {
    std::string points;
    for (const CaptureCost& cost : costs) {
      if (cost.what == what) {
        points += fmt::format("{} {:.2f}\n", cost.packet_bytes, quantile(cost.above_ns, 0.5));
      }
    }
    if (!points.empty()) {
      text += fmt::format("$cost{} << END\n{}END\n", block, points);
      plots += fmt::format("{} $cost{} using 1:2 with linespoints linewidth 2 title \"{}\"",
                           plots.empty() ? "" : ",", block, what);
      ++block;
    }
  }
  return plots.empty() ? ""
                       : text + fmt::format(
                                    "set title \"Cost above an empty hook\"\n"
                                    "set xlabel \"packet, bytes\"\nset ylabel \"ns a packet\"\n"
                                    "set logscale x 2\nset xtics (64,256,1500,9000)\n"
                                    "set yrange [0:*]\nset size 0.3,1\nset origin 0,0\n"
                                    "plot{}\nunset logscale x\nunset xlabel\nset xtics autofreq\n",
                                    plots);
}

std::string label(const LiveRow& row) {
  const std::string target = row.action == xdpcap::Action::Pass ? " (pass)" : "";
  return fmt::format("\"{}{}\"", row.what.substr(0, row.what.find(": ")), target);
}

/// Bars: packets a second for each case, those written in front of those that went through.
std::string rate_panel(const std::vector<LiveRow>& rows, std::uint32_t packet_bytes,
                       double origin) {
  std::string points;
  for (const LiveRow& row : rows) {
    if (row.packet_bytes == packet_bytes) {
      points += fmt::format("{} {:.4f} {:.4f}\n", label(row), row.packets_per_second / kMillion,
                            row.written_per_second / kMillion);
    }
  }
  return points.empty()
             ? ""
             : fmt::format(
                   "$rate{0} << END\n{1}END\nset title \"Live packets of {0} bytes through the "
                   "target, one CPU\"\nset ylabel \"million a second\"\n"
                   "set size 0.35,1\nset origin {2},0\nset yrange [0:*]\nset bmargin 12\nset key outside top center horizontal\n"
                   "set xtics rotate by 40 right\nset style fill solid border -1\n"
                   "plot $rate{0} using 0:2:(0.8):xtic(1) with boxes linecolor rgb \"#b0b7bf\" "
                   "title \"through the target\", "
                   "$rate{0} using 0:3:(0.4) with boxes linecolor rgb \"#1f77b4\" "
                   "title \"written to the file\"\n",
                   packet_bytes, points, origin);
}

}  // namespace

cbpfc::Result<void> draw_captures(const CaptureResults& results, const std::string& path) {
  const std::vector<LiveRow> rows = summarize_live(results.live.runs, live_cases());
  const std::string panels =
      cost_panel(results.costs) + rate_panel(rows, 64, 0.3) + rate_panel(rows, 1500, 0.65);
  if (panels.empty()) {
    return {};
  }
  return run_gnuplot(picture_start(path, 1600, 700) +
                         "set grid ytics\nset tics scale 0.5\nset key top left\n"
                         "set xtics nomirror\nset multiplot\n" +
                         panels + "unset multiplot\n",
                     path);
}

}  // namespace bench

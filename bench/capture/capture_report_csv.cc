// SPDX-License-Identifier: BSD-3-Clause

#include <fmt/format.h>

#include "bench/capture/capture_report.h"
#include "bench/support/csv.h"

namespace bench {
namespace {

std::string cost_lines(const CaptureCost& cost) {
  std::string text;
  for (std::size_t round = 0; round < cost.ns.size(); ++round) {
    text += fmt::format("cost,{},XDPPass,{},{},{:.3f},{:.3f},,,,,,,,,,,,,,,,,\n", quoted(cost.what),
                        cost.packet_bytes, round + 1, cost.ns[round], cost.above_ns[round]);
  }
  return text;
}

std::string live_line(const LiveRun& run, std::string_view part) {
  std::string text =
      fmt::format("{},{},{},{},{},,,{},{},{:.6f},{:.0f},{:.0f},{:.4f},", part, quoted(run.what),
                  xdpcap::name(run.action), run.packet_bytes, run.round, run.sent.sent,
                  run.sent.arrived, run.sent.seconds, run.sent.packets_per_second(),
                  run.baseline_per_second, run.to_no_capture());
  const auto number = [](const std::optional<std::uint64_t>& value) {
    return value ? std::to_string(*value) : std::string();
  };
  return text + fmt::format("{},{},{},{},{},{:.6f},{},{},{},{},{}\n", number(run.totals.received),
                            number(run.totals.matched), run.totals.held_back, run.written, run.lost,
                            run.reader_cpu_seconds, run.most_resident_bytes,
                            run.resident_ring_bytes, run.ring_bytes, run.file_bytes,
                            quoted(run.imbalance));
}

}  // namespace

std::string capture_csv(const CaptureResults& results) {
  std::string text =
      "part,what,target,packet_bytes,round,ns,above_empty_ns,sent,arrived,seconds,"
      "packets_per_second,baseline_per_second,to_no_capture,received,matched,held_back,written,lost,"
      "reader_cpu_seconds,reader_most_resident_bytes,reader_resident_ring_bytes,ring_bytes,"
      "file_bytes,imbalance\n";
  for (const CaptureCost& cost : results.costs) {
    text += cost_lines(cost);
  }
  for (const LiveRun& run : results.live.runs) {
    text += live_line(run, "live");
  }
  for (const LiveRun& run : results.live.full) {
    text += live_line(run, "full");
  }
  return text;
}

}  // namespace bench

// SPDX-License-Identifier: BSD-3-Clause
//
// The benchmark of the capture path: what each kind of capture costs a packet.  A table on standard output.
//
// Exit status: 0, 1 if something could not be measured.

#include <fmt/format.h>

#include "capture_costs.h"
#include "cli/report.h"

int main(int argc, char** /*argv*/) {
  namespace cli = xdpcap::cli;
  if (argc > 1) {
    cli::print_to_stderr(
        "Usage: capture_bench\n\nMeasures what a capture costs a packet; needs root, takes seconds.\n");
    return cli::kExitUsage;
  }
  constexpr int kRounds = 41;
  const auto costs = bench::measure_capture_costs(kRounds);
  if (!costs) {
    cli::print_to_stderr(cli::format_error("capture_bench", costs.error(), true));
    return cli::kExitFailure;
  }
  fmt::print("{:<36} {:>6} {:>8} {:>16}\n", "", "bytes", "ns", "above empty, ns");
  for (const bench::CaptureCost& cost : *costs) {
    fmt::print("{:<36} {:>6} {:>8.1f} {:>16.1f}\n", cost.what, cost.packet_bytes, cost.ns,
               cost.above_ns);
  }
  return cli::kExitSuccess;
}

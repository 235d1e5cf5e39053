// SPDX-License-Identifier: BSD-3-Clause
//
// The benchmark of captures: what each kind costs a packet, on one CPU and through an interface; tables, CSV, a picture.
//
// Exit status: 0, also when figures are not reached; 1 if something could not be measured; 2 for wrong usage.

#include <fmt/format.h>

#include <chrono>

#include "base/report.h"
#include "bench/capture/capture_options.h"
#include "bench/capture/capture_report.h"
#include "bench/live/live_soak.h"
#include "bench/support/placement.h"
#include "bench/support/write_file.h"

namespace {

namespace cli = xdpcap::cli;
using cbpfc::Result;

void say_progress(int round) {
  cli::print_to_stderr(round == 0 ? "at full length\n" : fmt::format("round {}\n", round));
}

Result<bench::CaptureResults> measure(const bench::CaptureOptions& options) {
  bench::CaptureResults results;
  if (options.with_costs) {
    cli::print_to_stderr("costs on one CPU\n");
    results.costs = TRY(bench::measure_capture_costs(options.cost_rounds()));
  }
  if (options.with_live) {
    results.live = TRY(bench::measure_live({.xdpcap = options.xdpcap,
                                            .rounds = options.rounds,
                                            .packets = options.packets,
                                            .full_packets = options.full_packets},
                                           say_progress));
  }
  return results;
}

/// Returns whether everything could be measured.
Result<bool> run(const bench::CaptureOptions& options) {
  TRY(bench::precede_other_work());
  if (options.soak_seconds > 0) {
    const auto result = TRY(
        bench::soak(options.xdpcap, std::chrono::seconds(static_cast<long>(options.soak_seconds))));
    TRY(cli::print_to_stdout(bench::soak_text(result)));
    return true;
  }
  const bench::CaptureResults results = TRY(measure(options));
  TRY(cli::print_to_stdout(bench::capture_table(results)));
  TRY(bench::write_file(options.csv, bench::capture_csv(results)));
  TRY(bench::draw_captures(results, options.picture));
  TRY(cli::print_to_stdout(fmt::format("\n{}\n{}\n", options.csv, options.picture)));
  return results.live.failures.empty();
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = bench::parse_capture_options(argc, argv);
  if (!options) {
    cli::print_to_stderr(cli::format_error("capture_bench", options.error(), false));
    return cli::kExitUsage;
  }
  if (options->help) {
    return cli::print_to_stdout(bench::capture_help()) ? cli::kExitSuccess : cli::kExitFailure;
  }
  const auto is_complete = run(*options);
  if (!is_complete) {
    cli::print_to_stderr(cli::format_error("capture_bench", is_complete.error(), true));
    return cli::kExitFailure;
  }
  return *is_complete ? cli::kExitSuccess : cli::kExitFailure;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// The benchmark of starts and ends: exec to the first packet, SIGINT to the end, of one command or several side by side.
//
// Exit status: 0; 1 if something could not be measured; 2 for wrong usage.

#include <fmt/format.h>

#include <array>

#include "base/numbers.h"
#include "base/options.h"
#include "base/report.h"
#include "bench/capture/start_times.h"
#include "bench/support/csv.h"
#include "bench/support/placement.h"
#include "bench/support/statistics.h"
#include "bench/support/write_file.h"

namespace {

namespace cli = xdpcap::cli;
using bench::StartSeries;
using bench::StartTimes;
using cbpfc::Result;

struct StartOptions {
  int rounds = 31;
  std::string csv = BENCH_OUTPUT "/start_bench.csv";
  bool help = false;
  std::vector<std::string> commands = {};
};

std::vector<cli::Option> option_table(StartOptions& options) {
  constexpr std::uint64_t kMostRounds = 10'000;
  return {
      {.name = "rounds",
       .argument = "N",
       .help = fmt::format("times each command is started, else {}", options.rounds),
       .set = [&options](std::string_view text) -> Result<void> {
         options.rounds = static_cast<int>(TRY(cli::parse_number(text, 1, kMostRounds)));
         return {};
       }},
      {.name = "csv",
       .argument = "FILE",
       .help = "every round's numbers; else start_bench.csv in the build folder",
       .set = [&options](std::string_view text) -> Result<void> {
         options.csv = text;
         return {};
       }},
      {.name = "help", .short_name = 'h', .help = "print this", .set = cli::into(options.help)}};
}

Result<StartOptions> parse(int argc, char** argv) {
  StartOptions options;
  options.commands = TRY(cli::parse_options(option_table(options), argc, argv));
  if (options.commands.empty()) {
    options.commands.push_back(
        fmt::format("{} -q -flush {} {}", BENCH_XDPCAP, bench::kHookWord, bench::kOutputWord));
  }
  return options;
}

struct Moment {
  const char* name;
  double StartTimes::* value;
};

constexpr std::array<Moment, 3> kMoments = {{{"exec to slot", &StartTimes::slot},
                                             {"exec to output", &StartTimes::output},
                                             {"SIGINT to end", &StartTimes::end}}};

std::vector<double> column(const StartSeries& series, double StartTimes::* value) {
  std::vector<double> values;
  for (const StartTimes& times : series.rounds) {
    values.push_back(times.*value);
  }
  return values;
}

/// The median of what each round took, to the last command's in the same round.
double ratio(const StartSeries& series, const StartSeries& last, double StartTimes::* value) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < series.rounds.size(); ++i) {
    ratios.push_back(series.rounds[i].*value / last.rounds[i].*value);
  }
  return bench::quantile(ratios, 0.5);
}

std::string table(const std::vector<StartSeries>& all) {
  std::string text =
      "Milliseconds: median (least, most); \"to last\": the median of the rounds' ratios to the last command\n\n"
      "| command | from, to | ms | to last |\n|---|---|---|---|\n";
  for (const StartSeries& series : all) {
    for (const auto& [name, value] : kMoments) {
      const std::vector<double> values = column(series, value);
      text += fmt::format("| {} | {} | {:.2f} ({:.2f}, {:.2f}) | {:.2f} |\n", series.command, name,
                          bench::quantile(values, 0.5), bench::quantile(values, 0),
                          bench::quantile(values, 1), ratio(series, all.back(), value));
    }
  }
  return text;
}

std::string csv(const std::vector<StartSeries>& all) {
  std::string text = "command,round,exec_to_slot_ms,exec_to_output_ms,sigint_to_end_ms\n";
  for (const StartSeries& series : all) {
    for (std::size_t i = 0; i < series.rounds.size(); ++i) {
      const StartTimes& times = series.rounds[i];
      text += fmt::format("{},{},{:.3f},{:.3f},{:.3f}\n", bench::quoted(series.command), i + 1,
                          times.slot, times.output, times.end);
    }
  }
  return text;
}

Result<void> run(const StartOptions& options) {
  TRY(bench::precede_other_work());
  const auto series = TRY(bench::measure_starts(options.commands, options.rounds));
  TRY(cli::print_to_stdout(table(series)));
  TRY(bench::write_file(options.csv, csv(series)));
  return cli::print_to_stdout(fmt::format("\n{}\n", options.csv));
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = parse(argc, argv);
  if (!options) {
    cli::print_to_stderr(cli::format_error("start_bench", options.error(), false));
    return cli::kExitUsage;
  }
  if (options->help) {
    StartOptions defaults;
    const std::string help = fmt::format(
        "Usage: start_bench [options] [COMMAND]...\n\n"
        "Measures how long captures take to begin and to end; needs root.  Each COMMAND is one word of the shell, whose words\n"
        "{} and {} become the hook and the output; without one, the built xdpcap is measured.\n\n{}",
        bench::kHookWord, bench::kOutputWord, cli::options_help(option_table(defaults)));
    return cli::print_to_stdout(help) ? cli::kExitSuccess : cli::kExitFailure;
  }
  if (const auto done = run(*options); !done) {
    cli::print_to_stderr(cli::format_error("start_bench", done.error(), true));
    return cli::kExitFailure;
  }
  return cli::kExitSuccess;
}

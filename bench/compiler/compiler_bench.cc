// SPDX-License-Identifier: BSD-3-Clause
//
// The benchmark of the compiler: what its code costs, next to what it would cost unoptimised and what
// clang makes of the same filter in C.  README.md says how to run it and how to read it.
//
// Exit status: 0, 1 if optimised code could not be measured or writing failed, 2 if the command line is
// wrong.  Whether the figures are reached does not change it.

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/report.h"
#include "bench/compiler/build_times.h"
#include "bench/compiler/options.h"
#include "bench/compiler/report.h"
#include "bench/compiler/subjects.h"
#include "bench/compiler/timing.h"
#include "bench/programs/filter_list.h"
#include "bench/support/write_file.h"

namespace {

namespace cli = xdpcap::cli;

using bench::Options;
using cbpfc::Result;

void say(const std::string& text) {
  cli::print_to_stderr("compiler_bench: " + text + "\n");
}

int report(const cbpfc::Error& error, int exit_code = cli::kExitFailure) {
  cli::print_to_stderr(cli::format_error("compiler_bench", error, false));
  return exit_code;
}

Result<std::optional<bench::Clang>> find_clang(const Options& options) {
  if (options.clang == "none") {
    return std::nullopt;
  }
  return TRY(bench::Clang::find(options.clang));
}

bool is_chosen(const Options& options, std::string_view name) {
  return options.only.empty() || name.find(options.only) != std::string_view::npos;
}

bench::SubjectOptions subject_options(const Options& options) {
  return {.libpcap_optimiser = options.libpcap_optimiser, .for_timing = !options.counts_only};
}

Result<std::vector<bench::FilterSubject>> make_filters(const Options& options,
                                                       const bench::Builder& builder) {
  std::vector<bench::FilterSubject> subjects;
  for (const std::string& expression : TRY(bench::read_expressions(options.filters))) {
    if (is_chosen(options, expression)) {
      auto subject = bench::make_filter_subject(expression, builder, subject_options(options));
      subjects.push_back(TRY(std::move(subject).with_context(expression)));
    }
  }
  return subjects;
}

Result<std::vector<bench::ListSubject>> make_lists(const Options& options,
                                                   const bench::Builder& builder) {
  std::vector<bench::ListSubject> subjects;
  for (const bench::List& list : bench::make_lists()) {
    if (is_chosen(options, list.name())) {
      auto subject = bench::make_list_subject(list, builder, subject_options(options));
      subjects.push_back(TRY(std::move(subject).with_context(list.name())));
    }
  }
  return subjects;
}

/// Says every tenth round, so that one who waits knows what for.
bench::Progress progress_of(std::string_view what, int rounds) {
  return [what, rounds](int round) {
    if (round % 10 == 1) {
      say(fmt::format("timing {}, round {} of {}", what, round, rounds));
    }
  };
}

Result<void> time_all(const Options& options, std::vector<bench::FilterSubject>& filters,
                      std::vector<bench::ListSubject>& lists) {
  auto timer = TRY(bench::KernelTimer::create());
  TRY(bench::time_filters(timer, filters, options.rounds, progress_of("filters", options.rounds)));
  TRY(bench::time_lists(timer, lists, options.rounds, progress_of("lists", options.rounds)));
  return {};
}

Result<bench::Results> measure(const Options& options) {
  const auto clang = TRY(find_clang(options));
  const bench::Builder builder(clang ? &*clang : nullptr);
  bench::Results results{.clang = clang ? clang->description() : "", .rounds = options.rounds};
  auto filters = TRY(make_filters(options, builder));
  auto lists = TRY(make_lists(options, builder));
  results.build_times = bench::measure_build_times(lists, !options.counts_only);
  if (is_chosen(options, bench::kSetName)) {
    results.build_times.push_back(bench::measure_set_build_time(!options.counts_only));
  }
  if (!options.counts_only) {
    TRY(time_all(options, filters, lists));
  }
  for (auto& subject : filters) {
    results.filters.push_back(std::move(subject.row));
  }
  for (auto& subject : lists) {
    results.lists.push_back(std::move(subject.row));
  }
  return results;
}

/// Whether all of the optimised code could be measured.
bool is_complete(const bench::Results& results) {
  const auto is_measured = [](const auto& row) {
    return row.scores[bench::Contender::Optimized].failure.empty();
  };
  return std::ranges::all_of(results.filters, is_measured) &&
         std::ranges::all_of(results.lists, is_measured);
}

Result<int> run(const Options& options) {
  const bench::Results results = TRY(measure(options));
  TRY(cli::print_to_stdout(bench::table_text(results)));
  if (!options.csv.empty()) {
    TRY(bench::write_file(options.csv, bench::csv_text(results)));
  }
  if (!options.picture.empty()) {
    TRY(bench::draw_picture(results, options.picture));
  }
  return is_complete(results) ? cli::kExitSuccess : cli::kExitFailure;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = bench::parse_command_line(argc, argv);
  if (!options) {
    return report(options.error(), cli::kExitUsage);
  }
  if (options->help) {
    const Result<void> printed = cli::print_to_stdout(bench::help_text());
    return printed ? cli::kExitSuccess : report(printed.error());
  }
  const Result<int> exit_code = run(*options);
  return exit_code ? *exit_code : report(exit_code.error());
}

// SPDX-License-Identifier: BSD-3-Clause

#include "bench/compiler/options.h"

#include <fmt/format.h>

#include <optional>

#include "base/numbers.h"
#include "base/options.h"

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;
using xdpcap::cli::Option;

constexpr int kDefaultRounds = 41;
constexpr std::uint64_t kMostRounds = 100'000;

std::vector<Option> option_table(Options& options) {
  return {
      {.name = "filters",
       .argument = "FILE",
       .help = "expressions, one a line; else verify/data/filters.txt",
       .set = xdpcap::cli::into(options.filters)},
      {.name = "only",
       .argument = "TEXT",
       .help = "measure filters and lists that have TEXT in their name",
       .set = xdpcap::cli::into(options.only)},
      {.name = "counts",
       .help = "count instructions, time nothing; needs no root",
       .set = xdpcap::cli::into(options.counts_only)},
      {.name = "rounds",
       .argument = "N",
       .help = fmt::format("times everything is timed; else {}", kDefaultRounds),
       .set = [&options](std::string_view text) -> Result<void> {
         options.rounds = static_cast<int>(TRY(xdpcap::cli::parse_number(text, 1, kMostRounds)));
         return {};
       }},
      {.name = "clang",
       .argument = "COMMAND",
       .help = "which clang; else the newest found; \"none\": without",
       .set = xdpcap::cli::into(options.clang)},
      {.name = "libpcap-optimiser",
       .help = "=false: filters as libpcap makes them without its optimiser",
       .set = xdpcap::cli::into(options.libpcap_optimiser)},
      {.name = "csv",
       .argument = "FILE",
       .help = "else compiler_bench.csv in the build folder, none with --counts",
       .set = xdpcap::cli::into(options.csv)},
      {.name = "picture",
       .argument = "FILE",
       .help = "PNG or SVG; else compiler_bench.png in the build folder, none with --counts",
       .set = xdpcap::cli::into(options.picture)},
      {.name = "help",
       .short_name = 'h',
       .help = "print this",
       .set = xdpcap::cli::into(options.help)},
  };
}

}  // namespace

Result<Options> parse_command_line(int argc, char** argv) {
  Options options;
  options.filters = BENCH_FILTERS;
  options.rounds = kDefaultRounds;
  const auto operands = TRY(xdpcap::cli::parse_options(option_table(options), argc, argv));
  if (!operands.empty()) {
    return cbpfc::fail(Errc::InvalidArgument,
                       fmt::format("unexpected word \"{}\"; filters are named with --filters FILE",
                                   operands.front()));
  }
  if (options.counts_only) {
    options.rounds = 0;
  } else {
    options.csv = options.csv.empty() ? BENCH_OUTPUT "/compiler_bench.csv" : options.csv;
    options.picture =
        options.picture.empty() ? BENCH_OUTPUT "/compiler_bench.png" : options.picture;
  }
  return options;
}

std::string help_text() {
  Options options;
  return "Usage: compiler_bench [options]\n\n"
         "Measures cbpfc's optimised code against its unoptimised code and against clang's.\n\n" +
         xdpcap::cli::options_help(option_table(options));
}

}  // namespace bench

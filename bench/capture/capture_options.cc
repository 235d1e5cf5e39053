// SPDX-License-Identifier: BSD-3-Clause

#include "bench/capture/capture_options.h"

#include <fmt/format.h>

#include "base/numbers.h"
#include "base/options.h"

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;
using xdpcap::cli::Option;

constexpr int kDefaultCaptureRounds = 9;
constexpr std::uint64_t kMostCaptureRounds = 1'000;
constexpr std::uint64_t kDefaultPackets = 1'000'000;
constexpr std::uint64_t kDefaultFullPackets = 10'000'000;
constexpr std::uint64_t kMostPackets = 1'000'000'000;
constexpr std::uint64_t kMostSoakSeconds = 7ULL * 24 * 3600;

auto into_number(std::uint64_t& target, std::uint64_t most) {
  return [&target, most](std::string_view text) -> Result<void> {
    target = TRY(xdpcap::cli::parse_number(text, 1, most));
    return {};
  };
}

Result<void> choose_part(CaptureOptions& options, std::string_view text) {
  if (text != "costs" && text != "live") {
    return cbpfc::fail(Errc::InvalidArgument, "it is neither \"costs\" nor \"live\"");
  }
  options.with_costs = text == "costs";
  options.with_live = text == "live";
  return {};
}

std::vector<Option> output_rows(CaptureOptions& options) {
  return {
      {.name = "xdpcap",
       .argument = "COMMAND",
       .help = "which xdpcap; else the one built with the benchmark",
       .set = xdpcap::cli::into(options.xdpcap)},
      {.name = "csv",
       .argument = "FILE",
       .help = "every round's numbers; else capture_bench.csv in the build folder",
       .set = xdpcap::cli::into(options.csv)},
      {.name = "picture",
       .argument = "FILE",
       .help = "PNG or SVG; else capture_bench.png in the build folder",
       .set = xdpcap::cli::into(options.picture)},
      {.name = "help",
       .short_name = 'h',
       .help = "print this",
       .set = xdpcap::cli::into(options.help)},
  };
}

std::vector<Option> option_table(CaptureOptions& options) {
  std::vector<Option> table = {
      {.name = "rounds",
       .argument = "N",
       .help = fmt::format("times every live case is run, else {}; costs ten times as often",
                           kDefaultCaptureRounds),
       .set = [&options](std::string_view text) -> Result<void> {
         options.rounds =
             static_cast<int>(TRY(xdpcap::cli::parse_number(text, 1, kMostCaptureRounds)));
         return {};
       }},
      {.name = "packets",
       .argument = "N",
       .help = fmt::format("packets of 64 bytes sent in a live case, else {}; of 1500 bytes half",
                           kDefaultPackets),
       .set = into_number(options.packets, kMostPackets)},
      {.name = "full-packets",
       .argument = "N",
       .help = fmt::format("packets of the run at full length, else {}; fewer if memory is short",
                           kDefaultFullPackets),
       .set = into_number(options.full_packets, kMostPackets)},
      {.name = "only",
       .argument = "PART",
       .help = "\"costs\": nanoseconds on one CPU; \"live\": through a veth pair",
       .set = [&options](std::string_view text) { return choose_part(options, text); }},
      {.name = "soak",
       .argument = "SECONDS",
       .help = "instead: capture a flood for so long, and look at the reader's memory",
       .set = into_number(options.soak_seconds, kMostSoakSeconds)},
  };
  for (Option& row : output_rows(options)) {
    table.push_back(std::move(row));
  }
  return table;
}

}  // namespace

Result<CaptureOptions> parse_capture_options(int argc, char** argv) {
  CaptureOptions options{.rounds = kDefaultCaptureRounds,
                         .packets = kDefaultPackets,
                         .full_packets = kDefaultFullPackets,
                         .xdpcap = BENCH_XDPCAP,
                         .csv = BENCH_OUTPUT "/capture_bench.csv",
                         .picture = BENCH_OUTPUT "/capture_bench.png"};
  const auto operands = TRY(xdpcap::cli::parse_options(option_table(options), argc, argv));
  if (!operands.empty()) {
    return cbpfc::fail(Errc::InvalidArgument,
                       fmt::format("unexpected word \"{}\"", operands.front()));
  }
  return options;
}

std::string capture_help() {
  CaptureOptions options;
  return "Usage: capture_bench [options]\n\n"
         "Measures what captures cost, on one CPU and through an interface; needs root.\n\n" +
         xdpcap::cli::options_help(option_table(options));
}

}  // namespace bench

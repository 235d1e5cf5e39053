// SPDX-License-Identifier: BSD-3-Clause

#include "verify/check/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "verify/check/match.h"
#include "verify/check/phases.h"
#include "verify/check/prove.h"
#include "verify/check/time.h"

namespace check {

namespace cli = xdpcap::cli;

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Result;
using command::spell;

namespace {

using Rows = std::vector<cli::Option>;

Rows joined(Rows first, Rows second) {
  std::ranges::move(second, std::back_inserter(first));
  return first;
}

Rows filter_and_code_rows(Options& options) {
  return joined(command::filter_rows(options.input), command::code_rows(options.code));
}

cli::Option details_row(Options& options) {
  return {
      .name = "v", .help = "show complete verifier logs", .set = cli::into(options.wants_details)};
}

Rows prove_rows(Options& options) {
  return joined({{.name = "timeout",
                  .argument = "SECONDS",
                  .help = "give up after this long; default: 20",
                  .set = command::into_number(options.prove_seconds, 1, 86400)}},
                filter_and_code_rows(options));
}

Rows match_rows(Options& options) {
  return joined(
      {{.name = "w",
        .argument = "FILE",
        .help = "write the matching packets, in the format of the file\n"
                "that is read; -: to standard output, without counts",
        .set = command::into_text(options.matches_file)},
       {.name = "engine",
        .argument = "WHAT",
        .help = "kernel (an XDP program), interpreter (the classic\n"
                "program) or ebpf (the code, interpreted); default:\n"
                "kernel if allowed, else interpreter",
        .set = command::into_choice<Engine>(options.engine, {{"kernel", Engine::Kernel},
                                                             {"interpreter", Engine::Interpreter},
                                                             {"ebpf", Engine::Ebpf}})},
       details_row(options)},
      filter_and_code_rows(options));
}

Rows time_rows(Options& options) {
  Rows code = command::code_rows(options.code);
  code.resize(1);  // --ancillary: plain and optimised code are compared, in programs of our own
  return joined({{.name = "match",
                  .argument = "FILE",
                  .help = "on packets of this capture file, not made-up ones",
                  .set = command::into_text(options.capture_file)},
                 details_row(options)},
                joined(command::filter_rows(options.input), std::move(code)));
}

Rows phases_rows(Options& options) {
  return joined({{.name = "after",
                  .argument = "PHASE",
                  .help = "print the graph as it is after this phase",
                  .set = command::into_text(options.phase)},
                 {.name = "dot",
                  .help = "with --after: as a drawing, for Graphviz",
                  .set = cli::into(options.wants_dot)}},
                filter_and_code_rows(options));
}

/// What does not go together.
Result<void> check_combination(const Subcommand& subcommand, const Options& options,
                               const std::vector<std::string>& given) {
  if (options.wants_dot && !options.phase) {
    return fail(Errc::InvalidArgument, "option --dot: it has a meaning only with --after");
  }
  if (options.input.set_file && options.code.branches) {
    return fail(Errc::InvalidArgument,
                fmt::format("option {}: a set gives a number, not a branch", spell("branch")));
  }
  if (subcommand.takes_file && options.engine != Engine::Ebpf) {
    for (const std::string_view name : command::kFragmentOptions) {
      if (std::ranges::find(given, name) != given.end()) {
        return fail(
            Errc::InvalidArgument,
            fmt::format("option {}: it has a meaning only with --engine ebpf", spell(name)));
      }
    }
  }
  if (options.capture_file == "-" && options.input.reads_standard_input()) {
    return fail(Errc::InvalidArgument,
                "standard input cannot be both the capture file and the filter; "
                "name a file for one of them");
  }
  return {};
}

}  // namespace

std::span<const Subcommand> subcommands() {
  static const std::array all = std::to_array<Subcommand>(
      {{.name = "prove",
        .operands = "[<expression>]",
        .summary = "prove the code equal to the classic program, for every packet",
        .rows = prove_rows,
        .run = prove_filter},
       {.name = "match",
        .operands = "<file> [<expression>]",
        .summary = "count, and write, the packets of a capture file that match",
        .takes_file = true,
        .rows = match_rows,
        .run = match_file},
       {.name = "time",
        .operands = "[<expression>]",
        .summary = "instructions executed, the verifier's verdict, nanoseconds",
        .rows = time_rows,
        .run = time_filter},
       {.name = "phases",
        .operands = "[<expression>]",
        .summary = "the compiler's phases on a filter, or its graph after one",
        .rows = phases_rows,
        .run = show_phases}});
  return all;
}

const Subcommand* find_subcommand(std::string_view name) {
  const auto all = subcommands();
  const auto found = std::ranges::find(all, name, &Subcommand::name);
  return found == all.end() ? nullptr : &*found;
}

Result<std::optional<Options>> parse_check_options(const Subcommand& subcommand,
                                                   const std::vector<std::string>& words) {
  Options options;
  bool wants_help = false;
  std::vector<std::string> given;
  Rows table = subcommand.rows(options);
  table.push_back({.name = "help", .short_name = 'h', .help = "", .set = cli::into(wants_help)});
  for (cli::Option& row : table) {
    row.set = [&given, name = row.name, set = std::move(row.set)](std::string_view text) {
      given.push_back(name);
      return set(text);
    };
  }
  std::vector<std::string> operands = TRY(command::read_options(table, words));
  if (wants_help) {
    return std::nullopt;
  }
  if (subcommand.takes_file) {
    if (operands.empty()) {
      return fail(Errc::InvalidArgument, "no capture file: name one (-: standard input)");
    }
    options.capture_file = operands.front();
    operands.erase(operands.begin());
  }
  TRY(command::take_operands(operands, options.input));
  TRY(check_combination(subcommand, options, given));
  return options;
}

std::string check_help() {
  std::string text =
      "Usage: cbpfc-check <subcommand> [options] [<operands>]\n"
      "\n"
      "Checks what cbpfc makes of packet filters.\n"
      "\n";
  for (const Subcommand& one : subcommands()) {
    fmt::format_to(std::back_inserter(text), "  {:<8} {}\n", one.name, one.summary);
  }
  return text +
         "\n"
         "cbpfc-check <subcommand> --help lists its options; --version prints the version.\n"
         "\n"
         "Exit status: 0 success, or proven; 1 failure, or not equal; 2 wrong usage; 3 no\n"
         "proof in time.  No match is not a failure.\n"
         "\n"
         "  cbpfc-check prove udp port 53\n"
         "  cbpfc-check match in.pcap -w dns.pcap udp port 53\n"
         "  cbpfc-check time --match in.pcap udp port 53\n"
         "  cbpfc-check phases --after lift tcp port 80\n";
}

std::string check_help(const Subcommand& subcommand) {
  Options unused;
  return fmt::format("Usage: cbpfc-check {} [options] {}\n\n{}: {}.\n\n{}", subcommand.name,
                     subcommand.operands, subcommand.name, subcommand.summary,
                     cli::options_help(subcommand.rows(unused), cli::Dashes::Two));
}

}  // namespace check

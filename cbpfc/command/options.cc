// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

namespace command {

namespace cli = xdpcap::cli;

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Result;

namespace {

/// As written, before it is known what goes with what.
struct Written {
  Options options;
  std::set<std::string, std::less<>> names;  ///< of the options that were given
  bool wants_explain = false;
  bool wants_help = false;
  bool wants_version = false;

  bool has(std::string_view name) const { return names.contains(name); }
};

std::vector<cli::Option> output_rows(Written& written) {
  Options& options = written.options;
  return {
      {.name = "to",
       .argument = "TARGET",
       .help = "ebpf (a listing, the default), ebpf-hex, c, object,\n"
               "cbpf (the classic program), dot (a graph)",
       .set = into_choice<Target>(options.target, {{"ebpf", Target::Ebpf},
                                                   {"ebpf-hex", Target::EbpfHex},
                                                   {"c", Target::C},
                                                   {"cbpf", Target::Cbpf},
                                                   {"dot", Target::Dot},
                                                   {"object", Target::Object}})},
      {.name = "explain",
       .help = "show what becomes of the filter, phase by phase",
       .set = cli::into(written.wants_explain)},
      {.name = "o",
       .argument = "FILE",
       .help = "write to a file, the whole or nothing",
       .set = into_text(options.output)},
      {.name = "function",
       .argument = "NAME",
       .help = "with --to c and object: the function's name",
       .set = into_text(options.function_name)},
      {.name = "form",
       .argument = "FORM",
       .help = "with --to cbpf: listing (default), c, decimal, line",
       .set = into_choice<cbpfc::TextForm>(options.classic_form,
                                           {{"listing", cbpfc::TextForm::Listing},
                                            {"c", cbpfc::TextForm::CArray},
                                            {"decimal", cbpfc::TextForm::Decimal},
                                            {"line", cbpfc::TextForm::OneLine}})},
      {.name = "help",
       .short_name = 'h',
       .help = "print this and exit",
       .set = cli::into(written.wants_help)},
      {.name = "version",
       .help = "print the version and exit",
       .set = cli::into(written.wants_version)},
  };
}

/// Options that mean something only with others.
Result<void> check_companions(const Written& written) {
  const Options& options = written.options;
  const bool compiles = options.request == Request::Compile;
  const bool is_function = options.target == Target::C || options.target == Target::Object;
  const auto refuse = [](std::string_view name, std::string_view with) {
    return fail(Errc::InvalidArgument,
                fmt::format("option {}: it has a meaning only with {}", spell(name), with));
  };
  if (written.wants_explain && written.has("to")) {
    return fail(Errc::InvalidArgument, "--explain and --to do not go together, use one at a time");
  }
  if (written.has("form") && !(compiles && options.target == Target::Cbpf)) {
    return refuse("form", "--to cbpf");
  }
  if (written.has("function") && !(compiles && is_function)) {
    return refuse("function", "--to c or --to object");
  }
  for (const std::string_view name : kFragmentOptions) {
    if (written.has(name) && (is_function || options.target == Target::Cbpf)) {
      return refuse(name, "--to ebpf, ebpf-hex, dot or --explain");
    }
  }
  if (options.input.set_file && options.code.branches) {
    return fail(Errc::InvalidArgument,
                fmt::format("option {}: a set gives a number, not a branch", spell("branch")));
  }
  return {};
}

}  // namespace

Result<Options> parse_cbpfc_options(int argc, char** argv) {
  Written written;
  Options& options = written.options;
  std::vector<cli::Option> table = filter_rows(options.input);
  std::ranges::move(code_rows(options.code), std::back_inserter(table));
  std::ranges::move(output_rows(written), std::back_inserter(table));
  for (cli::Option& row : table) {
    row.set = [&written, name = row.name, set = std::move(row.set)](std::string_view text) {
      written.names.insert(name);
      return set(text);
    };
  }
  const std::vector<std::string> operands =
      TRY(read_options(table, {argv + std::min(argc, 1), argv + argc}));
  options.request = written.wants_help      ? Request::Help
                    : written.wants_version ? Request::Version
                    : written.wants_explain ? Request::Explain
                                            : Request::Compile;
  if (written.wants_help || written.wants_version) {
    return options;
  }
  TRY(take_operands(operands, options.input));
  TRY(check_companions(written));
  return options;
}

std::string cbpfc_help() {
  Written unused;
  const auto help = [](const std::vector<cli::Option>& rows) {
    return cli::options_help(rows, cli::Dashes::Two);
  };
  return "Usage: cbpfc [options] [<expression>]\n"
         "\n"
         "Compiles a packet filter to eBPF, for XDP, TC and tracing programs.  A filter is\n"
         "an expression as tcpdump takes it, pcap-filter(7), or a classic BPF program in\n"
         "any form that tcpdump -d, -dd or -ddd prints.  Default: standard input.\n"
         "\n" +
         help(output_rows(unused)) + "\nThe filter:\n" + help(filter_rows(unused.options.input)) +
         "\nIts code:\n" + help(code_rows(unused.options.code)) +
         "\n"
         "A fragment (ebpf, ebpf-hex) has neither prologue nor exit: it goes on behind its\n"
         "last instruction, with the filter's value, 0 for no match.  c and object make\n"
         "  uint32_t NAME(const uint8_t *data, const uint8_t *data_end);\n"
         "Exit status: 0 success, 1 failure, 2 wrong usage.  cbpfc-check proves and tests.\n";
}

}  // namespace command

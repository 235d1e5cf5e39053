// SPDX-License-Identifier: BSD-3-Clause
//
// bpfoff: an expression for packets inside packets, as a classic filter for iptables' bpf match or
// an XDP program.  The expression sees the packet from its IP header on; the offsets say where that
// may be.
//
//     $ bpfoff 20,40 udp port 53
//     39,48 0 0 20,...
//
// Exit status: 0, 1 if the expression or writing failed, 2 if the command line is wrong.
// Tested by: cbpfc/tests/cli.

#include <cbpfc/cbpf.h>
#include <cbpfc/pcap_filter.h>
#include <cbpfc/shift.h>
#include <cbpfc/text.h>
#include <fmt/core.h>

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/numbers.h"
#include "base/report.h"

namespace {

namespace cli = xdpcap::cli;

using cbpfc::Errc;
using cbpfc::Error;
using cbpfc::Result;

/// The packet begins with its IPv4 or IPv6 header.  Source: pcap-linktype(7), DLT_RAW.
constexpr int kDltRaw = 12;

constexpr std::string_view kUsage =
    "Usage: bpfoff [-h | --version | --] <offset>[,<offset>...] <expression>\n"
    "\n"
    "Prints a classic BPF program, as one line of numbers, that matches packets which\n"
    "have at one of the offsets (bytes: 34, 0x22, 0b100010, 0o42 or 042) an IP packet\n"
    "that the pcap-filter(7) expression matches.\n"
    "\n"
    "  bpfoff 0,20 udp port 53       as IP, or in IP without options\n";

Result<std::vector<std::uint32_t>> parse_offsets(std::string_view text) {
  std::vector<std::uint32_t> offsets;
  std::size_t start = 0;
  while (start != std::string_view::npos) {
    const std::size_t comma = text.find(',', start);
    const bool is_last = comma == std::string_view::npos;
    const std::string_view word = text.substr(start, is_last ? comma : comma - start);
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
    offsets.push_back(static_cast<std::uint32_t>(
        TRY(cli::parse_number(word, 0, kMost).with_context("<offset>, in bytes"))));
    start = is_last ? comma : comma + 1;
  }
  return offsets;
}

Result<std::string> make_program(std::span<const std::uint32_t> offsets,
                                 const std::string& expression) {
  const auto raw = TRY(cbpfc::compile_expression(expression, {.dlt = kDltRaw}));
  const auto filter =
      TRY(cbpfc::Filter::decode(raw).with_context("the program libpcap makes of the expression"));
  const auto shifted = TRY(cbpfc::shift_filter(filter, offsets));
  return cbpfc::print_program(shifted.encode(), cbpfc::TextForm::OneLine) + "\n";
}

int report(const Error& error, int exit_code = cli::kExitFailure) {
  cli::print_to_stderr(cli::format_error("bpfoff", error, true));
  return exit_code;
}

int report_usage(std::string_view reason) {
  return report({.code = Errc::InvalidArgument,
                 .message = fmt::format("{}; bpfoff --help tells more", reason),
                 .detail = {},
                 .sys_errno = 0},
                cli::kExitUsage);
}

int print(std::string_view text) {
  const Result<void> printed = cli::print_to_stdout(text);
  return printed ? cli::kExitSuccess : report(printed.error());
}

int convert(std::span<char* const> arguments) {
  if (arguments.empty()) {
    return report_usage("offsets and an expression are missing");
  }
  const auto offsets = parse_offsets(arguments[0]);
  if (!offsets) {
    return report(offsets.error(), cli::kExitUsage);
  }
  if (arguments.size() < 2) {
    return report_usage("the expression is missing");
  }
  std::string expression = arguments[1];
  for (const char* word : arguments.subspan(2)) {
    expression.append(" ").append(word);
  }
  const auto program = make_program(*offsets, expression);
  if (!program) {
    return report(program.error());
  }
  return print(*program);
}

int run(std::span<char* const> arguments) {
  const std::string_view first = arguments.empty() ? "" : arguments[0];
  if (first == "--") {
    return convert(arguments.subspan(1));
  }
  if (first == "-h" || first == "-help" || first == "--help") {
    return print(kUsage);
  }
  if (first == "-version" || first == "--version") {
    return print("bpfoff " XDPCAP_VERSION "\n");
  }
  if (first.starts_with('-')) {
    return report_usage(fmt::format("unknown option \"{}\"", first));
  }
  return convert(arguments);
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char* const> all(argv, static_cast<std::size_t>(argc));
  return run(all.subspan(argc > 0 ? 1 : 0));
}

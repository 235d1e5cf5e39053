// SPDX-License-Identifier: BSD-3-Clause
//
// cbpfc-check: proves what cbpfc makes of filters, runs it over capture files, and times it.
//
// Exit status: 0, 1 if something failed or a proof found a difference, 2 if the command line is wrong,
// 3 if there was no proof in time.
// Tested by: verify/tests/cli/*.bats.

#include <cbpfc/pcap_filter.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/process_start.h"
#include "cbpfc/command/outcome.h"
#include "verify/check/options.h"

namespace {

using namespace check;  // NOLINT(google-build-using-namespace): this file is the program

using cbpfc::Errc;
using cbpfc::Error;
using cbpfc::Result;
using command::deliver;
using command::report_usage;

int run(const Subcommand& subcommand, const std::vector<std::string>& words) {
  command::Command check{.name = "cbpfc-check", .help = "cbpfc-check " + subcommand.name};
  const Result<std::optional<Options>> options = parse_check_options(subcommand, words);
  if (!options) {
    return report_usage(check, options.error());
  }
  if (!*options) {
    return deliver(check, check_help(subcommand));
  }
  if (const Result<void> filter = command::expect_filter((*options)->input); !filter) {
    return report_usage(check, filter.error());
  }
  check.wants_details = (*options)->wants_details;
  const Result<Outcome> outcome = subcommand.run(**options);
  if (!outcome) {
    return command::report_either(check, outcome.error());
  }
  const int delivered = outcome->text.empty() ? 0 : deliver(check, outcome->text);
  if (outcome->warning) {
    return command::report(check, *outcome->warning);
  }
  return delivered != 0 ? delivered : outcome->exit_code;
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): TRY looks before it takes a value
int main(int argc, char** argv) {
  xdpcap::cli::occupy_standard_descriptors();
  const command::Command check{.name = "cbpfc-check"};
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  const std::string first = words.empty() ? "" : words.front();
  if (first == "-h" || first == "-help" || first == "--help") {
    return deliver(check, check_help());
  }
  if (first == "-version" || first == "--version") {
    return deliver(check,
                   fmt::format("cbpfc-check {}\n{}\n", XDPCAP_VERSION, cbpfc::libpcap_version()));
  }
  const Subcommand* const subcommand = find_subcommand(first);
  if (subcommand == nullptr) {
    return report_usage(
        check, Error{.code = Errc::InvalidArgument,
                     .message = words.empty() ? "no subcommand"
                                              : fmt::format("there is no subcommand \"{}\"", first),
                     .detail = {},
                     .sys_errno = 0});
  }
  return run(*subcommand, {words.begin() + 1, words.end()});
}

// SPDX-License-Identifier: BSD-3-Clause
//
// cbpfc: the compiler as a command.
//
//     options -> filter or set of filters -> what is asked for -> text or file
//
// Everything that can fail does so before the first byte of output.
//
// Exit status: 0, 1 if something failed, 2 if the command line is wrong.
// Tested by: cbpfc/tests/cli/*.bats.

#include <cbpfc/pcap_filter.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/process_start.h"
#include "cbpfc/command/explain.h"
#include "cbpfc/command/options.h"
#include "cbpfc/command/outcome.h"
#include "cbpfc/command/subject.h"
#include "cbpfc/command/target.h"

namespace {

using namespace command;  // NOLINT(google-build-using-namespace): this file is the program

using cbpfc::Result;

Result<std::string> make_text(const Options& options) {
  switch (options.request) {
    case Request::Help: return cbpfc_help();
    case Request::Version:
      return fmt::format("cbpfc {}\n{}\n", XDPCAP_VERSION, cbpfc::libpcap_version());
    default: break;
  }
  const Subject subject = TRY(read_subject(options.input));
  if (options.request == Request::Explain) {
    return explain(subject, options.code);
  }
  if (options.target == Target::Object && options.output == "-" && ::isatty(STDOUT_FILENO) == 1) {
    return cbpfc::fail_option(
        cbpfc::Errc::InvalidArgument, "o",
        "refusing to write an object file to a terminal; name a file with -o");
  }
  return compile_to(subject, options);
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): TRY looks before it takes a value
int main(int argc, char** argv) {
  xdpcap::cli::occupy_standard_descriptors();
  const Command cbpfc{.name = "cbpfc"};
  const Result<Options> options = parse_cbpfc_options(argc, argv);
  if (!options) {
    return report_usage(cbpfc, options.error());
  }
  const bool reads_filter =
      options->request == Request::Compile || options->request == Request::Explain;
  if (const Result<void> filter = expect_filter(options->input); reads_filter && !filter) {
    return report_usage(cbpfc, filter.error());
  }
  const Result<std::string> text = make_text(*options);
  return text ? deliver(cbpfc, *text, options->output) : report_either(cbpfc, text.error());
}

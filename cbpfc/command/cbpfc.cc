// SPDX-License-Identifier: BSD-3-Clause
//
// cbpfc: the compiler as a command.
//
//     options -> filter or set of filters -> what is asked for -> text or file
//
// Everything that can fail does so before the first byte of output, except for --match, which reads a
// file of any length.
//
// Exit status: 0, 1 if something failed or --prove found a difference, 2 if the command line is wrong,
// 3 if --prove found no answer in time.
// Tested by: cbpfc/tests/cli/cbpfc*.bats.

#include <cbpfc/inspect.h>
#include <cbpfc/pcap_filter.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <iterator>
#include <utility>

#include "base/report.h"
#include "base/standard_descriptors.h"
#include "base/whole_file.h"
#include "cbpfc/command/cbpfc_errors.h"
#include "cbpfc/command/cbpfc_explain.h"
#include "cbpfc/command/cbpfc_input.h"
#include "cbpfc/command/cbpfc_options.h"
#include "cbpfc/command/cbpfc_target.h"
#include "verify/check/cbpfc_match.h"
#include "verify/check/cbpfc_prove.h"

namespace {

using namespace command;  // NOLINT(google-build-using-namespace): this file is the program

namespace cli = xdpcap::cli;

using cbpfc::Errc;
using cbpfc::Error;
using cbpfc::Result;

constexpr int kExitUnknown = 3;

int report(const Error& error, bool verbose, int exit_code = cli::kExitFailure) {
  if (error.sys_errno == EPIPE) {
    return cli::kExitSuccess;  // the reader has seen enough
  }
  cli::print_to_stderr(cli::format_error("cbpfc", error, verbose));
  return exit_code;
}

int report_usage(const Error& error) {
  Error with_advice = error;
  with_advice.message += "; cbpfc --help tells more";
  return report(with_advice, true, cli::kExitUsage);
}

/// Puts text where -o says.
int deliver(std::string_view text, const Options& options) {
  const auto write = [&]() -> Result<void> {
    WholeFile file = TRY(WholeFile::create(options.output));
    TRY(file.write(text));
    return file.commit();
  };
  const Result<void> written = write();
  return written ? cli::kExitSuccess : report(written.error(), options.verbose);
}

/// An option of the fragment that is not legal is a wrong command line.
int report_compilation(const Error& error, const Options& options) {
  const Error spelled = in_words_of_command(error);
  return error.code == Errc::InvalidArgument ? report_usage(spelled)
                                             : report(spelled, options.verbose);
}

int deliver(const Result<std::string>& text, const Options& options) {
  return text ? deliver(std::string_view(*text), options)
              : report_compilation(text.error(), options);
}

int compile(const Subject& subject, const Options& options) {
  if (options.target == Target::Object && options.output == "-" && ::isatty(STDOUT_FILENO) == 1) {
    return report_usage({.code = Errc::InvalidArgument,
                         .message = "an object file is nothing for a terminal; name a file with -o",
                         .detail = {},
                         .sys_errno = 0});
  }
  return deliver(compile_to(subject, options), options);
}

std::string list_passes() {
  std::string text;
  for (const cbpfc::PhaseDescription& phase : cbpfc::optimizer_phases()) {
    fmt::format_to(std::back_inserter(text), "{:<18} {}\n", phase.name, phase.summary);
  }
  return text;
}

/// The graph after a phase.
Result<std::string> dump_after(const Subject& subject, const Options& options) {
  if (subject.is_set) {
    return cbpfc::fail(Errc::Unsupported,
                       "option --dump-after: a set of filters has no listing; look at one of them");
  }
  std::vector<std::string> names = {std::string(cbpfc::kLiftedPhase)};
  for (const cbpfc::PhaseDescription& phase : cbpfc::optimizer_phases()) {
    names.emplace_back(phase.name);
  }
  if (std::ranges::find(names, options.pass) == names.end()) {
    return cbpfc::fail(Errc::InvalidArgument,
                       fmt::format("option --dump-after: there is no phase \"{}\", only {}",
                                   options.pass, fmt::join(names, ", ")));
  }
  const std::vector<cbpfc::GraphView> views =
      TRY(cbpfc::inspect_phases(subject.sources.front().filter, options.ebpf));
  const auto view = std::ranges::find(views, options.pass, &cbpfc::GraphView::phase);
  return options.wants_dot ? view->dot : view->text;
}

/// A file that ends early has given what it had.
int warn_of_cut(const Error& cut, const Options& options) {
  Error warning = cut;
  warning.message = fmt::format("warning: {}; the packets before it are counted{}", cut.message,
                                options.matches_file ? " and written" : "");
  return report(warning, options.verbose);
}

int match(const Options& options) {
  Result<PcapReader> file = PcapReader::open(*options.capture_file);
  if (!file) {
    return report(file.error(), options.verbose);
  }
  const Result<cbpfc::LinkType> link_type = link_type_for(options, *file);
  if (!link_type) {
    return report(link_type.error(), options.verbose);
  }
  InputOptions input = options.input;
  input.source = file->source();
  const Result<Subject> subject = read_subject(input, *link_type);
  if (!subject) {
    return report(subject.error(), options.verbose);
  }
  const bool is_to_stdout = options.matches_file == "-";
  if (is_to_stdout && ::isatty(STDOUT_FILENO) == 1) {
    return report_usage({.code = Errc::InvalidArgument,
                         .message = "packets are nothing for a terminal; name a file with -w, or "
                                    "pipe them: cbpfc ... -w - | tcpdump -r -",
                         .detail = {},
                         .sys_errno = 0});
  }
  const Result<MatchReport> matches = match_file(*file, *subject, options);
  if (!matches) {
    return report_compilation(matches.error(), options);
  }
  const int delivered =
      is_to_stdout ? cli::kExitSuccess : deliver(std::string_view(matches->text), options);
  return matches->cut ? warn_of_cut(*matches->cut, options) : delivered;
}

int prove(const Subject& subject, const Options& options) {
  const Result<ProofReport> proof = prove_subject(subject, options);
  if (!proof) {
    return report_compilation(proof.error(), options);
  }
  const int delivered = deliver(std::string_view(proof->text), options);
  if (delivered != cli::kExitSuccess || proof->proven == Proven::Yes) {
    return delivered;
  }
  return proof->proven == Proven::No ? cli::kExitFailure : kExitUnknown;
}

int run(const Options& options) {
  if (options.request == Request::Passes) {
    return deliver(std::string_view(list_passes()), options);
  }
  if (options.request == Request::Match) {
    return match(options);
  }
  if (options.request == Request::Explain) {
    return deliver(explain(options), options);
  }
  const Result<Subject> subject =
      read_subject(options.input, options.input.link_type.value_or(cbpfc::LinkType{}));
  if (!subject) {
    return report(subject.error(), options.verbose);
  }
  switch (options.request) {
    case Request::Prove: return prove(*subject, options);
    case Request::DumpAfter: return deliver(dump_after(*subject, options), options);
    default: return compile(*subject, options);
  }
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): TRY looks before it takes a value
int main(int argc, char** argv) {
  cli::occupy_standard_descriptors();
  const Result<Options> options = parse_cbpfc_options(argc, argv);
  if (!options) {
    return report_usage(options.error());
  }
  switch (options->request) {
    case Request::Help: return deliver(std::string_view(cbpfc_help()), *options);
    case Request::Version:
      return deliver(
          std::string_view(fmt::format("cbpfc {}\n{}\n", XDPCAP_VERSION, cbpfc::libpcap_version())),
          *options);
    default: break;
  }
  const InputOptions& input = options->input;
  if (options->request != Request::Passes && !input.text && !input.file && !input.set_file &&
      ::isatty(STDIN_FILENO) == 1) {
    return report_usage({.code = Errc::InvalidArgument,
                         .message = "no filter: give an expression, or pipe one in",
                         .detail = {},
                         .sys_errno = 0});
  }
  return run(*options);
}

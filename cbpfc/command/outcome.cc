// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/command/outcome.h"

#include <unistd.h>

#include <cerrno>

#include "base/whole_file.h"

namespace command {

namespace cli = xdpcap::cli;

using cbpfc::Errc;
using cbpfc::Error;
using cbpfc::Result;

int report(const Command& command, const Error& error, int exit_code) {
  if (error.sys_errno == EPIPE) {
    return cli::kExitSuccess;
  }
  cli::print_to_stderr(cli::format_error(command.name, error, command.wants_details));
  return exit_code;
}

int report_usage(const Command& command, const Error& error) {
  Error with_advice = error;
  with_advice.message += "; " + command.help + " --help tells more";
  return report(command, with_advice, cli::kExitUsage);
}

int report_either(const Command& command, const Error& error) {
  const Error spelled = in_words_of_command(error);
  return error.code == Errc::InvalidArgument && !error.option.empty()
             ? report_usage(command, spelled)
             : report(command, spelled);
}

int deliver(const Command& command, std::string_view text, const std::string& path) {
  const auto write = [&]() -> Result<void> {
    WholeFile file = TRY(WholeFile::create(path));
    TRY(file.write(text));
    return file.commit();
  };
  const Result<void> written = write();
  return written ? cli::kExitSuccess : report(command, written.error());
}

Result<void> expect_filter(const InputOptions& input) {
  if (!input.text && !input.file && !input.set_file && ::isatty(STDIN_FILENO) == 1) {
    return cbpfc::fail(Errc::InvalidArgument, "no filter: give an expression, or pipe one in");
  }
  return {};
}

}  // namespace command

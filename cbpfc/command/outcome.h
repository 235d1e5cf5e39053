// SPDX-License-Identifier: BSD-3-Clause
//
// How a command ends: its output where it belongs, errors on standard error, and the exit code.

#pragma once

#include <cbpfc/result.h>

#include <string>
#include <string_view>

#include "base/report.h"
#include "cbpfc/command/filter_options.h"

namespace command {

/// Who speaks.
struct Command {
  std::string name;            ///< in front of messages
  std::string help = name;     ///< the words in front of --help
  bool wants_details = false;  ///< complete verifier logs
};

/// Prints an error.  A reader of the output that has gone away has seen enough: that is success.
int report(const Command& command, const cbpfc::Error& error,
           int exit_code = xdpcap::cli::kExitFailure);
/// The same for a wrong command line, with advice.
int report_usage(const Command& command, const cbpfc::Error& error);
/// Either of them: an option of the library that is not legal is a wrong command line.
int report_either(const Command& command, const cbpfc::Error& error);

/// Writes text to a file, the whole or nothing; "-" is standard output.
int deliver(const Command& command, std::string_view text, const std::string& path = "-");

/// Errors: Errc::InvalidArgument if the filter would be waited for at a terminal.
cbpfc::Result<void> expect_filter(const InputOptions& input);

}  // namespace command

// SPDX-License-Identifier: BSD-3-Clause
//
// What a command says on standard error and standard output, and what it exits with.
//
// Nobody may be reading standard error (a full pipe, a stopped terminal).  A program that waited for
// its reader there could not be stopped, so what is not taken soon is dropped.
//
// Tested by: base/tests/report_test.cc, status_test.cc.

#pragma once

#include <cbpfc/result.h>

#include <chrono>
#include <string>
#include <string_view>

namespace xdpcap::cli {

inline constexpr int kExitSuccess = 0;
inline constexpr int kExitFailure = 1;  ///< failed at run time
inline constexpr int kExitUsage = 2;    ///< the command line is wrong

/// Whether an error's long text is shown: always for syntax (the place), otherwise if asked for.
bool should_show_detail(const cbpfc::Error& error, bool verbose);

/// `text` with "?" for characters that a terminal would obey (base/text.h) and for bytes that are not UTF-8, which a terminal of another
/// character set may obey; newlines and tabs stay if `keeps_lines`.
std::string printable(std::string_view text, bool keeps_lines = false);

/// "`program`: `message`", and the detail below it if it is to be shown, both printable.  Ends with a
/// newline.
std::string format_error(std::string_view program, const cbpfc::Error& error, bool verbose);

/// How long a line waits for a reader of standard error.
inline constexpr std::chrono::milliseconds kStderrPatience{500};

/// Writes `text` to standard error; drops the rest once there was no room for `patience`.
void print_to_stderr(std::string_view text, std::chrono::milliseconds patience = kStderrPatience);

/// Writes all of `text` to standard output.
/// Errors: Errc::Io; what a full disk or a closed pipe swallowed is one.
cbpfc::Result<void> print_to_stdout(std::string_view text);

}  // namespace xdpcap::cli

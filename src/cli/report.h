// SPDX-License-Identifier: BSD-3-Clause
//
// What a command says on standard error, and what it exits with.

#pragma once

#include <cbpfc/result.h>

#include <string>
#include <string_view>

namespace xdpcap::cli {

inline constexpr int kExitSuccess = 0;
inline constexpr int kExitFailure = 1;  ///< failed at run time
inline constexpr int kExitUsage = 2;    ///< the command line is wrong

/// Whether an error's long text is shown: always for syntax (the place), otherwise if asked for.
bool should_show_detail(const cbpfc::Error& error, bool verbose);

/// "`program`: `message`", and the detail below it if it is to be shown.  Ends with a newline.
std::string format_error(std::string_view program, const cbpfc::Error& error, bool verbose);

/// Writes all of `text` to standard error; what cannot be written is dropped.
void print_to_stderr(std::string_view text);

}  // namespace xdpcap::cli

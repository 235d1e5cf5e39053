// SPDX-License-Identifier: BSD-3-Clause
//
// Filters in files.  In an expression, what follows a # up to the line's end is a comment, as for tcpdump; in a
// program, where a # is in front of constants, lines that start with one are.
//
// Tested by: tests/unit/tools/cbpfc_input_test.cc.

#pragma once

#include <cbpfc/result.h>

#include <string>
#include <string_view>

namespace command {

/// How messages call a file: its path, or "standard input" for "-".
std::string input_name(const std::string& path);

/// All of a file, or of standard input for "-".
/// Errors: Errc::NotFound, Permission, Io, naming it.
cbpfc::Result<std::string> read_input(const std::string& path);

/// Takes the first line off `text`, without its end.
std::string_view take_line(std::string_view& text);

/// `text` without comments; lines of an expression are joined.
std::string without_comments(std::string_view text);

}  // namespace command

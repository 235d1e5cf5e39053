// SPDX-License-Identifier: BSD-3-Clause
//
// Filters in files.  In an expression, what follows a # up to the line's end is a comment, as for tcpdump; in a
// program, where a # is in front of constants, lines that start with one are.
//
// Tested by: cbpfc/tests/command/subject_test.cc.

#pragma once

#include <cbpfc/result.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace command {

/// How messages call a file: its path, or "standard input" for "-".
std::string input_name(const std::string& path);

/// The most bytes that a filter may have.
constexpr std::size_t kMostFilterBytes = std::size_t{16} << 20U;

/// All of a file, or of standard input for "-".
/// Errors: Errc::NotFound, Permission, Io, naming it; TooLarge.
cbpfc::Result<std::string> read_input(const std::string& path);
/// What is left to be read of `fd`, which is called `name`.
/// Errors: Errc::Io; TooLarge.
cbpfc::Result<std::string> read_all(int fd, const std::string& name);
/// Errors: always the one of open(2) or read(2) with this errno, for what is called `name`.
std::unexpected<cbpfc::Error> read_error(const std::string& name, int error);

/// Takes the first line off `text`, without its end.
std::string_view take_line(std::string_view& text);

/// A filter out of a file.
struct FilterText {
  /// A stretch of `text` that is in the file as it is.
  struct Stretch {
    std::size_t offset;  ///< in `text`
    std::size_t line;    ///< in the file, from 1
    std::size_t column;  ///< from 1
  };
  std::string text;                ///< without comments; lines of an expression are joined
  std::vector<Stretch> stretches;  ///< in order

  /// The place in the file: "line 3, column 7".
  std::string describe(std::size_t offset) const;
};
FilterText parse_filter_text(std::string_view file);

/// Its text alone.
std::string without_comments(std::string_view file);

}  // namespace command

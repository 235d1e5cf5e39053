// SPDX-License-Identifier: BSD-3-Clause
//
// Command-line options as a table: one row an option, from which parsing and --help are made.
//
//     std::vector<Option> table = {
//         {.name = "q", .help = "print no statistics", .set = into(options.quiet)},
//         {.name = "buffer", .argument = "BYTES", .help = "...", .set = [&](std::string_view text)
//         {...}},
//     };
//     std::vector<std::string> operands = TRY(parse_options(table, argc, argv));
//
// Options are written as Go programs and tcpdump users write them: one dash or two, `-name value`
// or
// `-name=value`; a switch alone, or with `=true` or `=false`.  A name is not abbreviated: what is
// unambiguous today would not be tomorrow.  Options end at the first word that is none ("-" is
// none), so a filter's words are never taken for options, or at "--".
//
// Built on getopt_long_only(), which keeps its state in globals: one parse at a time.
// Tested by: base/tests/options_test.cc.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace xdpcap::cli {

struct Option {
  std::string name;           ///< without dashes
  char short_name = 0;        ///< one letter that means the same; 0: none
  std::string argument = {};  ///< what it takes, for the help ("BYTES"); empty: a switch
  std::string help;           ///< may have several lines
  /// Takes the argument; a switch gets "true" or "false" or whatever was written behind its "=".
  std::function<cbpfc::Result<void>(std::string_view)> set;
};

/// A setter that reads "true" or "false" into `target`, which must outlive the table.
std::function<cbpfc::Result<void>(std::string_view)> into(bool& target);
/// One that takes the text as it is.
std::function<cbpfc::Result<void>(std::string_view)> into(std::string& target);

/// How a program writes its options' names in help and messages; both are always understood.
enum class Dashes : std::uint8_t { One, Two };  ///< "-name", or "--name" but "-n"

/// "-name" or "--name".
std::string spell_option(std::string_view name, Dashes dashes);

/// Calls the setters for the options in `argv[1]` and up, and returns the words behind the options.
/// Errors: Errc::InvalidArgument naming the option.
cbpfc::Result<std::vector<std::string>> parse_options(const std::vector<Option>& table, int argc,
                                                      char** argv, Dashes dashes = Dashes::One);

/// The table as text, names left and help right.
std::string options_help(const std::vector<Option>& table, Dashes dashes = Dashes::One);

// Options behind the first operand, for programs that take them there, too:
//
//     cbpfc tcp port 80 --to c        is        cbpfc --to c -- tcp port 80
//
// Behind an operand only what is an option of the table, spelled out, is taken for one: an expression
// contains words with dashes ("len - 5 > 60", "-1").
//
// Tested by: base/tests/option_order_test.cc.

/// The words of a command line, without the program's name, with the options first, for
/// parse_options().  What is behind "--" stays there.
std::vector<std::string> options_first(const std::vector<Option>& table,
                                       const std::vector<std::string>& words);

}  // namespace xdpcap::cli

// SPDX-License-Identifier: BSD-3-Clause
//
// The command line of cbpfc-check: one table of subcommands, each with its own options.
//
//     cbpfc-check match in.pcap --engine ebpf udp port 53
//                 ^     ^ file  ^ options and expression, in any order
//
// Tested by: verify/tests/options_test.cc.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cbpfc/command/filter_options.h"
#include "cbpfc/command/subject.h"
#include "cbpfc/command/target.h"

namespace check {

using command::Fragment;
using command::Source;
using command::Subject;

enum class Engine : std::uint8_t {
  Auto,         ///< the kernel where it is allowed, or the interpreter
  Kernel,       ///< the compiled code, as an XDP program
  Interpreter,  ///< the classic program, interpreted
  Ebpf,         ///< the compiled code, interpreted
};

struct Options {
  command::InputOptions input;
  command::CodeOptions code;
  std::uint32_t prove_seconds = 20;         ///< prove --timeout
  std::optional<std::string> capture_file;  ///< of match; time --match
  std::optional<std::string> matches_file;  ///< match -w
  Engine engine = Engine::Auto;
  std::optional<std::string> phase;  ///< phases --after
  bool wants_dot = false;
  bool wants_details = false;
};

/// What a subcommand did; errors are for what it could not do at all.
struct Outcome {
  std::string text;  ///< for standard output
  int exit_code = 0;
  std::optional<cbpfc::Error> warning = std::nullopt;  ///< something is missing from the text
};

struct Subcommand {
  std::string name;
  std::string operands;     ///< for the help
  std::string summary;      ///< one line
  bool takes_file = false;  ///< its first operand is a capture file
  std::vector<xdpcap::cli::Option> (*rows)(Options&);
  cbpfc::Result<Outcome> (*run)(const Options&);
};

/// All of them.
std::span<const Subcommand> subcommands();

/// Null: there is none of this name.
const Subcommand* find_subcommand(std::string_view name);

/// Reads the words behind a subcommand; nullopt: its help is asked for.
/// Errors: Errc::InvalidArgument naming the option.
cbpfc::Result<std::optional<Options>> parse_check_options(const Subcommand& subcommand,
                                                          const std::vector<std::string>& words);

/// What `cbpfc-check --help` prints, and `cbpfc-check SUBCOMMAND --help`.
std::string check_help();
std::string check_help(const Subcommand& subcommand);

}  // namespace check

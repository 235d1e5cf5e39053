// SPDX-License-Identifier: BSD-3-Clause
//
// The command line of cbpfc: what is asked for, of which filter, and how the code is to look.
//
// Tested by: cbpfc/tests/command/cbpfc_options_test.cc.

#pragma once

#include <cbpfc/compile.h>
#include <cbpfc/pcap_filter.h>
#include <cbpfc/text.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace command {

/// One run does one of these.
enum class Request : std::uint8_t {
  Compile,    ///< -to
  Explain,    ///< -explain
  Match,      ///< -match
  Prove,      ///< -prove
  Passes,     ///< -passes
  DumpAfter,  ///< -dump-after
  Help,
  Version,
};

enum class Target : std::uint8_t { Ebpf, EbpfHex, C, Cbpf, Dot, Object };

enum class Engine : std::uint8_t {
  Auto,         ///< the kernel where it is allowed, or the interpreter
  Kernel,       ///< the compiled code, as an XDP program
  Interpreter,  ///< the classic program, cbpfc's own interpreter
  Ebpf,         ///< the compiled code, cbpfc's own interpreter
};

/// Where the filter's text comes from.
struct InputOptions {
  std::optional<std::string> text = std::nullopt;  ///< the words of the command line
  /// "-": standard input, which is also read if there is neither text nor file.
  std::optional<std::string> file = std::nullopt;
  std::optional<std::string> set_file = std::nullopt;  ///< one filter a line
  /// What packets start with; none: what the capture file says, or Ethernet.
  std::optional<cbpfc::LinkType> link_type = std::nullopt;
  cbpfc::PacketSource source = cbpfc::PacketSource::Live;  ///< of the capture file, if there is one

  /// Whether standard input is read for it.
  bool reads_standard_input() const {
    return set_file ? *set_file == "-" : file ? *file == "-" : !text.has_value();
  }
};

struct Options {
  Request request = Request::Compile;
  Target target = Target::Ebpf;
  bool wants_dot = false;  ///< -to dot was given
  InputOptions input;
  cbpfc::EbpfOptions ebpf;
  /// The fragment ends in two places: behind its last instruction for a match, one further for none.
  bool branches = false;
  std::string function_name = "filter";
  bool no_inline = false;
  cbpfc::TextForm classic_form = cbpfc::TextForm::Listing;
  std::string pass;                         ///< -dump-after
  std::optional<std::string> capture_file;  ///< -match
  std::optional<std::string> matches_file;  ///< -w
  Engine engine = Engine::Auto;
  std::uint32_t prove_seconds = 20;
  std::string output = "-";
  bool verbose = false;
};

/// Reads the command line; after -help or -version nothing else is looked at.
/// Errors: Errc::InvalidArgument naming the option.
cbpfc::Result<Options> parse_cbpfc_options(int argc, char** argv);

/// What -help prints.
std::string cbpfc_help();

}  // namespace command

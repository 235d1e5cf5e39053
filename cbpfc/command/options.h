// SPDX-License-Identifier: BSD-3-Clause
//
// The command line of cbpfc.
//
// Tested by: cbpfc/tests/command/options_test.cc.

#pragma once

#include <cbpfc/text.h>

#include <cstdint>
#include <string>

#include "cbpfc/command/filter_options.h"

namespace command {

/// One run does one of these.
enum class Request : std::uint8_t { Compile, Explain, Help, Version };

enum class Target : std::uint8_t { Ebpf, EbpfHex, C, Cbpf, Dot, Object };

struct Options {
  Request request = Request::Compile;
  Target target = Target::Ebpf;
  InputOptions input;
  CodeOptions code;
  std::string function_name = "filter";
  cbpfc::TextForm classic_form = cbpfc::TextForm::Listing;
  std::string output = "-";
};

/// Reads the command line; after --help or --version nothing else is looked at.
/// Errors: Errc::InvalidArgument naming the option.
cbpfc::Result<Options> parse_cbpfc_options(int argc, char** argv);

/// What --help prints.
std::string cbpfc_help();

}  // namespace command

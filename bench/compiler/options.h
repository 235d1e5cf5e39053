// SPDX-License-Identifier: BSD-3-Clause
//
// The command line of compiler_bench.

#pragma once

#include <cbpfc/result.h>

#include <string>

namespace bench {

struct Options {
  std::string filters;  ///< file with one expression a line
  std::string only;     ///< measure what has this in its name; empty: everything
  std::string clang;    ///< command; empty: the newest; "none": without
  std::string csv;      ///< file; empty: none
  std::string picture;  ///< file; empty: none
  int rounds = 0;
  bool counts_only = false;  ///< no kernel
  bool libpcap_optimiser = true;
  bool help = false;
};

/// Errors: Errc::InvalidArgument.
cbpfc::Result<Options> parse_command_line(int argc, char** argv);

std::string help_text();

}  // namespace bench

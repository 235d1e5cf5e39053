// SPDX-License-Identifier: BSD-3-Clause
//
// Options behind the first operand, for programs that take them there, too:
//
//     cbpfc tcp port 80 --to c        is        cbpfc --to c -- tcp port 80
//
// Behind an operand only what is an option of the table, spelled out, is taken for one: an expression
// has words with dashes of its own ("len - 5 > 60", "-1").
//
// Tested by: base/tests/option_order_test.cc.

#pragma once

#include <string>
#include <vector>

#include "base/options.h"

namespace xdpcap::cli {

/// The words of a command line, without the program's name, with the options first, for
/// parse_options().  What is behind "--" stays there.
std::vector<std::string> options_first(const std::vector<Option>& table,
                                       const std::vector<std::string>& words);

}  // namespace xdpcap::cli

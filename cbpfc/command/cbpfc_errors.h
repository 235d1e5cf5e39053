// SPDX-License-Identifier: BSD-3-Clause
//
// The library's errors in the words of the command line: its option "packet_end" is --packet-end there.
//
// Tested by: cbpfc/tests/command/cbpfc_errors_test.cc.

#pragma once

#include <cbpfc/result.h>

namespace command {

/// The same error; its message names the option that it is about, if the command has it.
cbpfc::Error in_words_of_command(cbpfc::Error error);

}  // namespace command

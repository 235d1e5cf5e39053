// SPDX-License-Identifier: BSD-3-Clause
//
// `cbpfc --explain`: what became of a filter, step by step, and what it costs.
//
// Tested by: cbpfc/tests/cli/cbpfc_explain.bats.

#pragma once

#include <cbpfc/result.h>

#include <string>

#include "cbpfc/command/cbpfc_options.h"

namespace command {

/// The whole text.
/// Errors: those of reading the filter, of compiling it, and of reading the capture file, if packets
/// come from one.
cbpfc::Result<std::string> explain(const Options& options);

}  // namespace command

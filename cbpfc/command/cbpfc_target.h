// SPDX-License-Identifier: BSD-3-Clause
//
// What `cbpfc --to` prints.
//
// Tested by: cbpfc/tests/cli/cbpfc.bats.

#pragma once

#include <cbpfc/result.h>

#include <string>

#include "cbpfc/command/cbpfc_input.h"
#include "cbpfc/command/cbpfc_options.h"

namespace command {

/// The filter in the form that is asked for: text with a line break at its end, or an object file.
/// Errors: those of the compiler; Errc::Unsupported for a form that sets do not have.
cbpfc::Result<std::string> compile_to(const Subject& subject, const Options& options);

}  // namespace command

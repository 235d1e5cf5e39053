// SPDX-License-Identifier: BSD-3-Clause
//
// `cbpfc-check phases`: what the compiler's phases do to a filter.
//
// Tested by: verify/tests/cli/check.bats.

#pragma once

#include <cbpfc/result.h>

#include "verify/check/options.h"

namespace check {

/// Lists the phases with what they do, or prints the graph after one.
/// Errors: those of reading and compiling the filter; Errc::InvalidArgument for a phase there is not.
cbpfc::Result<Outcome> show_phases(const Options& options);

}  // namespace check

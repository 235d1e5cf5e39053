// SPDX-License-Identifier: BSD-3-Clause
//
// `cbpfc-check time`: what a filter's code costs, plain and optimised.
//
// Tested by: verify/tests/cli/check.bats.

#pragma once

#include <cbpfc/result.h>

#include "verify/check/options.h"

namespace check {

/// Instructions emitted and executed, and as root the verifier's verdict and nanoseconds.
/// Errors: those of reading the filter, of compiling it, and of reading the capture file, if packets
/// come from one.
cbpfc::Result<Outcome> time_filter(const Options& options);

}  // namespace check

// SPDX-License-Identifier: BSD-3-Clause
//
// `cbpfc-check prove`: whether the code and the classic programs give the same answers, for every packet.
//
// Tested by: verify/tests/prove_test.cc, verify/tests/cli/check.bats.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <string>

#include "verify/check/options.h"
#include "verify/prove/prove.h"

namespace check {

/// The exit code where there is neither a proof nor a difference.
constexpr int kExitUnknown = 3;

/// A proof for people; `insns` is the number of eBPF instructions it is about.
Outcome report_proof(const cbpfc::prove::Proof& proof, const cbpfc::prove::Limits& limits,
                     std::size_t insns);

/// Compiles the subject as the options say, and looks at the instructions.
/// Errors: those of the compiler.
cbpfc::Result<Outcome> prove_subject(const Subject& subject, const Options& options);

/// The same for the filter of the options.
/// Errors: also those of reading it.
cbpfc::Result<Outcome> prove_filter(const Options& options);

}  // namespace check

// SPDX-License-Identifier: BSD-3-Clause
//
// `cbpfc --prove`: whether the code and the classic programs give the same answers, for every packet.
//
// Tested by: verify/tests/cbpfc_prove_test.cc, cbpfc/tests/cli/cbpfc.bats.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <string>

#include "cbpfc/command/cbpfc_input.h"
#include "cbpfc/command/cbpfc_options.h"
#include "verify/prove/prove.h"

namespace command {

enum class Proven : std::uint8_t { Yes, No, Unknown };

struct ProofReport {
  Proven proven = Proven::Unknown;
  std::string text;  ///< what to print: the verdict, and what it rests on
};

/// A proof for people; `insns` is the number of eBPF instructions it is about.
ProofReport report_proof(const cbpfc::prove::Proof& proof, const cbpfc::prove::Limits& limits,
                         std::size_t insns);

/// Compiles the subject as the options say, and looks at the instructions.
/// Errors: those of the compiler.
cbpfc::Result<ProofReport> prove_subject(const Subject& subject, const Options& options);

}  // namespace command

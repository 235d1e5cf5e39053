// SPDX-License-Identifier: BSD-3-Clause
//
// `cbpfc --prove`: whether the code and the classic programs give the same answers, for every packet.
//
// Tested by: tests/cli/cbpfc_prove.bats.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <string>

#include "tools/cbpfc_input.h"
#include "tools/cbpfc_options.h"

namespace command {

enum class Proven : std::uint8_t { Yes, No, Unknown };

struct ProofReport {
  Proven proven = Proven::Unknown;
  std::string text;  ///< what to print: the verdict, and what it rests on
};

/// Compiles the subject as the options say, and looks at the instructions.
/// Errors: those of the compiler.
cbpfc::Result<ProofReport> prove_subject(const Subject& subject, const Options& options);

}  // namespace command

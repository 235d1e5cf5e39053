// SPDX-License-Identifier: BSD-3-Clause
//
// What code costs: instructions emitted, executed, verified; nanoseconds in the kernel.
//
// One fragment takes a few nanoseconds, calling a program some thirty.  So it is put many times in a
// row into one program, and the time of a program without any is taken off.  Each packet is run many
// times, so every branch is predicted; packets that vary cost more.
//
// Tested by: verify/tests/kernel/engine_test.cc, verify/tests/cli/check.bats.

#pragma once

#include <cbpfc/compile.h>
#include <cbpfc/result.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "verify/check/options.h"
#include "verify/check/samples.h"

namespace check {

/// A figure for packets of each kind; none where there are no packets, or it could not be had.
struct PerKind {
  std::optional<double> match;
  std::optional<double> miss;
};

struct CodeFigures {
  std::size_t emitted_insns = 0;
  PerKind executed_insns;  ///< means over the packets
  // From here on the kernel's.
  std::string refusal;  ///< why it did not load the code; empty: it did
  std::optional<std::uint32_t> verified_insns;
  std::optional<std::uint32_t> machine_code_bytes;
  PerKind ns;  ///< means over the packets
};

/// Means of the instructions a fragment executes over the packets.
PerKind count_executed(std::span<const cbpfc::ebpf::Insn> fragment,
                       const cbpfc::EbpfOptions& options, const Samples& samples);

/// Measures the code that `options` describe, with the kernel if it is allowed.
/// Errors: those of the compiler.
cbpfc::Result<CodeFigures> measure(const Subject& subject, const cbpfc::EbpfOptions& options,
                                   const Samples& samples, bool with_kernel);

}  // namespace check

// SPDX-License-Identifier: BSD-3-Clause
//
// The XDP programs in which a filter, or a set of them, runs in the kernel to be checked and timed.
//
// Tested by: verify/tests/programs_test.cc.

#pragma once

#include <cbpfc/compile.h>
#include <cbpfc/ebpf.h>

#include <vector>

#include "cbpfc/command/subject.h"

namespace check {

/// The options of the fragment in a program of our own: those of the library, unless calls take other
/// registers.
/// Of `wanted`, what matters is whether it optimises and which ancillary loads it allows.
cbpfc::EbpfOptions own_options(const cbpfc::EbpfOptions& wanted);

/// An XDP program that returns the filter's value.
/// Errors: those of compile_ebpf().
cbpfc::Result<std::vector<cbpfc::ebpf::Insn>> make_value_program(const command::Subject& subject,
                                                                 const cbpfc::EbpfOptions& wanted);

/// An XDP program that runs the fragment `copies` times, from 0, and returns 0: what a fragment costs
/// is the difference between two of those.
/// Errors: those of compile_ebpf().
cbpfc::Result<std::vector<cbpfc::ebpf::Insn>> make_repeating_program(
    const command::Subject& subject, const cbpfc::EbpfOptions& wanted, int copies);

}  // namespace check

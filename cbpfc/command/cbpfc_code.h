// SPDX-License-Identifier: BSD-3-Clause
//
// From a filter or a set of filters to eBPF: the fragment as the options want it, and the XDP
// program in which cbpfc itself runs it.
//
// Tested by: cbpfc/tests/command/cbpfc_code_test.cc, cbpfc/tests/cli/cbpfc.bats.

#pragma once

#include <cbpfc/compile.h>
#include <cbpfc/ebpf.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "cbpfc/command/cbpfc_input.h"
#include "cbpfc/command/cbpfc_options.h"

namespace command {

/// A fragment that ends behind its last instruction; with --branch that is where a match goes on, and
/// a miss goes on one instruction further.
struct Fragment {
  std::vector<cbpfc::ebpf::Insn> insns;
  bool branches = false;
};

/// Errors: those of compile_ebpf(); Errc::InvalidArgument for options that are not legal.
cbpfc::Result<Fragment> make_fragment(const Subject& subject, const cbpfc::EbpfOptions& options,
                                      bool branches);

/// The options of the fragment in a program of our own: those of the library, unless calls take other
/// registers.
/// Of `wanted`, what matters is whether it optimises and which ancillary loads it allows.
cbpfc::EbpfOptions own_options(const cbpfc::EbpfOptions& wanted);

/// An XDP program that returns the filter's value.
/// Errors: those of compile_ebpf().
cbpfc::Result<std::vector<cbpfc::ebpf::Insn>> make_value_program(const Subject& subject,
                                                                 const cbpfc::EbpfOptions& wanted);

/// An XDP program that runs the fragment `copies` times, from 0, and returns 0: what a fragment costs
/// is the difference between two of those.
/// Errors: those of compile_ebpf().
cbpfc::Result<std::vector<cbpfc::ebpf::Insn>> make_repeating_program(
    const Subject& subject, const cbpfc::EbpfOptions& wanted, int copies);

}  // namespace command

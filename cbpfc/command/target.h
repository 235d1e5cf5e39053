// SPDX-License-Identifier: BSD-3-Clause
//
// What `cbpfc --to` makes of a filter or a set of filters: a fragment, and from it text or a file.
//
// Tested by: cbpfc/tests/command/target_test.cc, cbpfc/tests/cli/cbpfc.bats.

#pragma once

#include <cbpfc/compile.h>
#include <cbpfc/ebpf.h>
#include <cbpfc/result.h>

#include <string>
#include <vector>

#include "cbpfc/command/options.h"
#include "cbpfc/command/subject.h"

namespace command {

/// The filter's code, or that of the set: for programs around it.
/// Errors: those of compile_ebpf(), compile_ebpf_set().
cbpfc::Result<cbpfc::ebpf::Assembly> compile_subject(const Subject& subject,
                                                     const cbpfc::EbpfOptions& options);

/// A fragment that ends behind its last instruction; with --branch that is where a match goes on, and
/// a miss goes on one instruction further.
struct Fragment {
  std::vector<cbpfc::ebpf::Insn> insns;
  bool branches = false;
};

/// Errors: those of compile_ebpf(); Errc::InvalidArgument for options that are not legal.
cbpfc::Result<Fragment> make_fragment(const Subject& subject, const cbpfc::EbpfOptions& options,
                                      bool branches);

/// The filter in the form that is asked for: text with a line break at its end, or an object file.
/// Errors: those of the compiler; Errc::Unsupported for a form that sets do not have.
cbpfc::Result<std::string> compile_to(const Subject& subject, const Options& options);

}  // namespace command

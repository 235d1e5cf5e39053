// SPDX-License-Identifier: BSD-3-Clause
//
// `cbpfc --explain`: what becomes of a filter, step by step.
//
// Tested by: cbpfc/tests/cli/explain.bats.

#pragma once

#include <cbpfc/inspect.h>
#include <cbpfc/result.h>

#include <string>
#include <vector>

#include "cbpfc/command/subject.h"

namespace command {

/// The classic program, the graph after each phase in figures and after the last as text, and the code.
/// Errors: those of compiling it.
cbpfc::Result<std::string> explain(const Subject& subject, const CodeOptions& code);

/// The phases of a filter: decisions, guards and instructions after each.
std::string describe_phases(const std::vector<cbpfc::GraphView>& views,
                            const cbpfc::EbpfOptions& options);

/// The code of a graph, ready to run; empty where there is none.
std::vector<cbpfc::ebpf::Insn> code_of(const cbpfc::GraphView& view,
                                       const cbpfc::EbpfOptions& options);

}  // namespace command

// SPDX-License-Identifier: BSD-3-Clause
//
// The optimising compiler: Cfg to decision graph, passes, eBPF.

#pragma once

#include <cbpfc/compile.h>
#include <cbpfc/inspect.h>

#include <functional>
#include <span>

#include "../cfg.h"
#include "question.h"

namespace cbpfc::optimizer {

/// The fragment of a graph.
/// Errors: Errc::InvalidArgument when the stack has no room for the filter's cells; Errc::TooLarge when a value takes
/// more registers than there are, which lifting prevents.
Result<ebpf::Assembly> emit_graph(const Graph& graph, const EbpfOptions& options);

/// Runs all phases; `watch`, if there is one, sees the graph after each.
void run_phases(Graph& graph, const PacketRules& rules,
                const std::function<void(const PhaseDescription&)>& watch = nullptr);

/// One filter, or several as a set.
/// Errors: those of emit_graph().
Result<ebpf::Assembly> compile_graph(std::span<const Cfg> cfgs, bool is_set,
                                     const EbpfOptions& options);

/// Whether it is certain that `filter` returns 0 for every packet, of any length.  What the facts (facts.h) cannot
/// tell, and filters of very many ways, may match.
bool matches_nothing(const Filter& filter);

}  // namespace cbpfc::optimizer

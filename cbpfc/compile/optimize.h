// SPDX-License-Identifier: BSD-3-Clause
//
// The optimising compiler: Cfg to decision graph, passes, eBPF.

#pragma once

#include <cbpfc/compile.h>
#include <cbpfc/inspect.h>

#include <functional>
#include <span>

#include "cbpfc/classic/cfg.h"
#include "cbpfc/emit/emit_graph.h"
#include "cbpfc/graph/question.h"

namespace cbpfc::optimizer {

/// Runs all phases; `watch`, if there is one, sees the graph after each.
void run_phases(Graph& graph, const PacketRules& rules,
                const std::function<void(const PhaseDescription&)>& watch = nullptr);

/// One filter, or several as a set.
/// Errors: those of emit_graph().
Result<ebpf::Assembly> compile_graph(std::span<const Cfg> cfgs, bool is_set,
                                     const EbpfOptions& options);

}  // namespace cbpfc::optimizer

// SPDX-License-Identifier: BSD-3-Clause
//
// eBPF of a decision graph: blocks in an order, values in registers and cells, guards before loads.

#pragma once

#include <cbpfc/compile.h>

#include "cbpfc/graph/graph.h"

namespace cbpfc::optimizer {

/// The fragment of a graph.
/// Errors: Errc::InvalidArgument when the stack has no room for the filter's cells; Errc::TooLarge when a value takes
/// more registers than there are, which lifting prevents.
Result<ebpf::Assembly> emit_graph(const Graph& graph, const EbpfOptions& options);

}  // namespace cbpfc::optimizer

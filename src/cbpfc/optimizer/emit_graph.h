// SPDX-License-Identifier: BSD-3-Clause
//
// Decision graph to eBPF.
//
// Nodes are emitted in topological order, the arm with more ahead of it right behind its question, returns
// last.  Each node brings its values into registers (value_code.h), asks, and jumps; what lies in which
// register is remembered for each target and is what all jumps to it agree on.
//
//     n0: has p[..14]  no -> n3            r4 = r2; r4 += 14; if r4 > r3 goto n3
//     n1: p16[12]  0x800 -> n2 else n3     r4 = *(u16 *)(r2 + 12); if w4 != 0x8 goto n3
//     n2: return 0x40000                   w4 = 0x40000; goto result
//     n3: return 0                         n3: w4 = 0; goto result
//
// With match_label and no_match_label, jumps to a return go there at once.
//
// Tested by: emit_graph_test.cc, and by every engine in tests/differential.

#pragma once

#include <cbpfc/compile.h>

#include "graph.h"

namespace cbpfc::optimizer {

/// The fragment.
/// Errors: Errc::InvalidArgument when the stack has no room for the filter's cells; Errc::TooLarge when a value takes
/// more registers than there are, which lifting prevents.
Result<ebpf::Assembly> emit_graph(const Graph& graph, const EbpfOptions& options);

}  // namespace cbpfc::optimizer

// SPDX-License-Identifier: BSD-3-Clause
//
// Where cells (Phi) lie on the stack.
//
// Two cells may share a slot unless one is set while the other is still needed.  A cell that is set to another
// cell, which is not needed afterwards, gets that one's slot where it can.
//
// Tested by: lift_test.cc.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph.h"

namespace cbpfc::optimizer {

/// By cell, its slot; no slot for a cell that nothing sets.
using CellSlots = std::vector<std::optional<std::uint16_t>>;

CellSlots place_cells(const Graph& graph, const std::vector<NodeId>& order);

}  // namespace cbpfc::optimizer

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
#include <vector>

#include "graph.h"

namespace cbpfc::optimizer {

struct CellSlots {
  static constexpr std::uint16_t kNone = 0xffff;
  std::vector<std::uint16_t> slot_of;  ///< by cell
  std::uint16_t slots = 0;             ///< how many there are
};

/// Gives slots to the cells for which `is_kept` is true.
CellSlots place_cells(const Graph& graph, const std::vector<NodeId>& order,
                      const std::vector<bool>& is_kept);

}  // namespace cbpfc::optimizer

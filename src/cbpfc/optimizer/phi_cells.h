// SPDX-License-Identifier: BSD-3-Clause
//
// Where cells (Phi) lie: in the sixteen scratch slots that the fragment has on the stack anyway.
//
// A cell is alive from the first node that sets it to the last that wants it, in the order of emission; two
// whose lives do not touch may share a slot.
//
// Tested by: lift_test.cc.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph.h"

namespace cbpfc::optimizer {

/// The slot of each cell; nullopt when more than sixteen are alive at once.
std::optional<std::vector<std::uint8_t>> place_phis(const Graph& graph,
                                                    const std::vector<NodeId>& order);

}  // namespace cbpfc::optimizer

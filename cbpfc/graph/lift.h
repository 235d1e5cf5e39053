// SPDX-License-Identifier: BSD-3-Clause
//
// Graph of blocks over A, X and M[] to decision graph.
//
// Blocks are walked in order, with the value of every register known as an expression; what a block does
// is the questions it asks:
//
//     ldh [12]            A is p16[12], after asking whether there are 14 bytes
//     jeq #0x800, 1, 2    one question; block 1 starts with A = p16[12]
//
// Where paths meet and the registers that are read later agree, the block behind is lifted once.  Where
// they do not, it is either lifted once for each (what follows then knows more, and the end is near), or
// the registers become cells that each path sets (Phi).
//
// A value that takes more registers than there are, or many instructions, becomes a cell where the program
// computes it.  So does what a helper returns.
//
// Cost: O(instructions), a bounded factor more where blocks are lifted again.
// Tested by: lift_test.cc, and by every engine in verify/differential.

#pragma once

#include <span>

#include "cbpfc/classic/cfg.h"
#include "cbpfc/graph/graph.h"
#include "cbpfc/graph/question.h"

namespace cbpfc::optimizer {

/// The decision graph of one filter.
Graph lift_filter(const Cfg& cfg, const PacketRules& rules);

/// The decision graph that returns the number, from 1, of the first filter that matches; 0 for none.
Graph lift_set(std::span<const Cfg> cfgs, const PacketRules& rules);

}  // namespace cbpfc::optimizer

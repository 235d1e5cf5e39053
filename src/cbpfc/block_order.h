// SPDX-License-Identifier: BSD-3-Clause
//
// The order of blocks that everything relies on: edges lead to higher numbers.
//
// libpcap makes loops for one keyword, protochain: from extension header to extension header.  A loop is
// written out, so what follows knows graphs without cycles only.

#pragma once

#include <functional>
#include <vector>

#include "cfg.h"

namespace cbpfc {

/// Whether some edge leads to the same or a lower number.
bool has_downward_edges(const Cfg& cfg);

/// Gives every target of an exit another number.
void retarget(Exit& exit, const std::function<BlockId(BlockId)>& moved);

/// Numbers the reachable blocks anew, keeping their order where it can be kept, and drops the others.
///
/// Ensures: the edges that lead downwards are those that close a cycle on a walk from the entry; a program
/// without cycles has none.
void order_blocks(Cfg& cfg);

/// Writes out loops: each block of one once for the way in and once for each of kMostLoopTrips ways round, behind
/// which the filter ends with 0.
///
/// Ensures: no edge leads downwards.
void unroll_loops(Cfg& cfg);

}  // namespace cbpfc

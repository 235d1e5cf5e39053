// SPDX-License-Identifier: BSD-3-Clause
//
// The order of blocks that everything relies on: edges lead to higher numbers.
//
// libpcap makes loops for one keyword, protochain: from extension header to extension header.  A loop is
// written out, so what follows knows graphs without cycles only.

#pragma once

#include "cbpfc/classic/cfg.h"

namespace cbpfc {

/// Writes out loops: each block of one once for the way in and once for each of kMostLoopTrips ways round, behind
/// which the filter ends with 0.
///
/// Ensures: no edge leads downwards.
void unroll_loops(Cfg& cfg);

}  // namespace cbpfc

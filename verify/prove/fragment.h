// SPDX-License-Identifier: BSD-3-Clause
//
// The meaning of emitted eBPF as terms over a packet, and what it does that it must not.

#pragma once

#include "verify/prove/ending.h"
#include "verify/prove/packet.h"
#include "verify/prove/prove.h"

namespace cbpfc::prove {

/// Follows every path of the claim's fragment; the endings' values are what the result register
/// holds, 64 bits, or with labels 1 for a match and 0 for none.
///
/// Errors: Errc::Unsupported for instructions and helpers that are not known here.
Result<Outcome> follow_fragment(Terms& terms, SymbolicPacket& packet, const Claim& claim,
                                const Unrolling& unrolling);

}  // namespace cbpfc::prove

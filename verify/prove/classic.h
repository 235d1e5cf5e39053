// SPDX-License-Identifier: BSD-3-Clause
//
// The meaning of a classic program as terms over a packet.

#pragma once

#include <cbpfc/cbpf.h>

#include <span>

#include "verify/prove/ending.h"
#include "verify/prove/packet.h"

namespace cbpfc::prove {

/// Follows every path of `program`; the endings' values have 32 bits.
///
/// Jumps may go backward. Errors: Errc::InvalidProgram for what cannot be decoded or leaves the
/// program; Errc::Unsupported for loads whose meaning is not known here.
Result<Outcome> follow_classic(Terms& terms, SymbolicPacket& packet,
                               std::span<const RawInsn> program, const Unrolling& unrolling);

}  // namespace cbpfc::prove

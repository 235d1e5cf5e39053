// SPDX-License-Identifier: BSD-3-Clause
//
// The passes over a Cfg.  run_passes() is the compiler's middle, in order.

#pragma once

#include <cstdint>

#include "cfg.h"

namespace cbpfc {

/// How an end of the compiler reads bytes relative to X.
enum class IndirectLoads : std::uint8_t {
  FromBase,  ///< through a base pointer, which guards prove (IndirectGuard, LoadFromBase)
  Checked,   ///< each by itself, with its own check (LoadIndirect)
};

/// How many loads a guard stands for.
enum class Guards : std::uint8_t {
  Shared,  ///< as many as it can
  Each,    ///< the one behind it: code to compare with
};

/// Runs every pass; what emit_c requires holds afterwards.
void run_passes(Cfg& cfg, std::uint32_t max_packet_offset);

/// Straightens control flow: no jump to a jump, no branch with one outcome, no code in front of a
/// certain "no match", equal returns shared, single successors merged.
///
/// Ensures: every block marked reachable is reachable; a Branch has two targets.
void simplify_jumps(Cfg& cfg);

/// Gives A and X their initial 0 where some path reads them before writing them.
///
/// Ensures: no path reads A or X unwritten.
void initialize_registers(Cfg& cfg);

/// Puts a DivisorGuard before each division by X that may be 0.
///
/// Ensures: X is not 0 at any division by X.
void guard_divisions(Cfg& cfg);

/// Proves every packet access: inserts AbsoluteGuard and, with IndirectLoads::FromBase, IndirectGuard,
/// and turns LoadIndirect into LoadFromBase.
///
/// Requires: initialize_registers.
/// Ensures: every load but LoadIndirect is dominated by a guard that covers it; no LoadIndirect is left
/// with IndirectLoads::FromBase.
void guard_packet(Cfg& cfg, std::uint32_t max_packet_offset, IndirectLoads indirect, Guards guards);

/// Removes what is computed and never used: writes to A, X and scratch slots that no path reads.
///
/// Requires: guard_divisions, guard_packet; before them, a load may be there for its end of the packet.
/// Ensures: what a step writes is read on some path.
void remove_dead_steps(Cfg& cfg);

}  // namespace cbpfc

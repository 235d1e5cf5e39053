// SPDX-License-Identifier: BSD-3-Clause
//
// Runs a packet that the solver found through the interpreters: what the solver says is believed only
// if they agree.

#pragma once

#include "verify/prove/prove.h"

namespace cbpfc::prove {

struct Replay {
  Counterexample counterexample;
  bool different = false;  ///< both answered, and not the same
  bool unsafe = false;     ///< the fragment could not go on
};

/// `entry`: the claim's, with the facts the solver chose.
/// Errors: what keeps the classic programs from being interpreted.
Result<Replay> replay(const Claim& claim, const ebpf::EntryState& entry,
                      std::vector<std::uint8_t> packet);

}  // namespace cbpfc::prove

// SPDX-License-Identifier: BSD-3-Clause
//
// Jumps that assembling makes needless.

#pragma once

#include <cstdint>
#include <optional>

#include "ebpf_islands.h"

namespace cbpfc::ebpf {

bool is_goto(const Insn& insn);

/// The opcode of the comparison that holds exactly when this one does not; nullopt where there is none.
std::optional<std::uint8_t> inverse(std::uint8_t code);

/// Turns "if a == b goto here; goto there; here:" into "if a != b goto there; here:" where the branch may be
/// turned and `there` lies below.  What it makes needless becomes an empty jump.
void turn_branches(Unplaced& program);

/// Takes out jumps to what follows anyway, as a fragment's last one is when its label comes next.
void remove_empty_jumps(Unplaced& program);

}  // namespace cbpfc::ebpf

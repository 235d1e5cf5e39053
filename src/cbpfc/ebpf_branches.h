// SPDX-License-Identifier: BSD-3-Clause
//
// Jumps that assembling makes needless.

#pragma once

#include "ebpf_islands.h"

namespace cbpfc::ebpf {

/// Turns "if a == b goto here; goto there; here:" into "if a != b goto there; here:" where the branch may be
/// turned and `there` lies below.  What it makes needless becomes an empty jump.
void turn_branches(Unplaced& program);

/// Takes out jumps to what follows anyway, as a fragment's last one is when its label comes next.
void remove_empty_jumps(Unplaced& program);

}  // namespace cbpfc::ebpf

// SPDX-License-Identifier: BSD-3-Clause
//
// Which of A, X and the scratch slots are read later.  One sweep downwards.
//
// Tested by: tests/golden/c (remove_dead_steps), compile_c_test.cc.

#pragma once

#include <bitset>
#include <vector>

#include "cfg.h"

namespace cbpfc {

/// Scratch slots 0 to 15, A, X.
using Places = std::bitset<kScratchSlots + 3>;

inline constexpr std::size_t place_of(Register r) {
  return r == Register::A ? kScratchSlots + 1 : kScratchSlots + 2;
}

Places read_by(const Step& step);
Places written_by(const Step& step);

/// What is read before it is written after a block's steps.
Places live_at_exit(const Block& block, const std::vector<Places>& live_at_entry);

/// What is live before `step`, given what is after it.
Places live_before(const Step& step, const Places& live_after);

/// What is live at the entry of each block.
std::vector<Places> live_at_entry(const Cfg& cfg);

}  // namespace cbpfc

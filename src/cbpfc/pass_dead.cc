// SPDX-License-Identifier: BSD-3-Clause
//
// Removes steps whose outcome no path reads.
//
//     guard p[..24]             guard p[..24]
//     a = p16[12]         =>    a = p8[23]
//     a = p8[23]                return a
//     return a
//
// A load also ends the filter where the packet ends; that is the guard's doing by now, so a load that
// nobody looks at is not needed.  A step that was only read by a dead one is dead too, hence the sweep
// downwards.  In C made of the graph, every variable that is set is used, so that compilers do not warn.
//
// Cost: O(instructions).  Does not: look at the values, remove guards.
// Tested by: tests/golden/c.

#include <algorithm>
#include <ranges>

#include "liveness.h"
#include "passes.h"

namespace cbpfc {

void remove_dead_steps(Cfg& cfg) {
  std::vector<Places> entry(cfg.blocks.size());
  for (BlockId id = cfg.blocks.size(); id-- > 0;) {
    Block& block = cfg.blocks[id];
    if (!block.reachable) {
      continue;
    }
    Places live = live_at_exit(block, entry);
    std::vector<Step> kept;
    for (const Step& step : std::views::reverse(block.steps)) {
      const Places written = written_by(step);
      if (written.none() || (written & live).any()) {
        live = live_before(step, live);
        kept.push_back(step);
      }
    }
    std::ranges::reverse(kept);
    block.steps = std::move(kept);
    entry[id] = live;
  }
}

}  // namespace cbpfc

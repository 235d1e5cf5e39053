// SPDX-License-Identifier: BSD-3-Clause
//
// The list of passes.

#include "passes.h"

#include <cassert>

namespace cbpfc {

void run_passes(Cfg& cfg, std::uint32_t max_packet_offset) {
  // Thousands of branches with equal arms are legal; the verifier would walk both of each.
  simplify_jumps(cfg);
  assert(check_cfg(cfg).empty());

  // From here on the graph's shape is fixed.
  initialize_registers(cfg);
  guard_divisions(cfg);
  guard_packet(cfg, max_packet_offset, IndirectLoads::FromBase, Guards::Shared);
  assert(check_cfg(cfg).empty());
}

}  // namespace cbpfc

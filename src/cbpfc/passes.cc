// SPDX-License-Identifier: BSD-3-Clause
//
// The list of passes.

#include "passes.h"

#include <cassert>

#include "block_order.h"

namespace cbpfc {

Result<void> run_passes(Cfg& cfg, std::uint32_t max_packet_offset, IndirectLoads indirect) {
  // Thousands of branches with equal arms are legal; the verifier would walk both of each.
  simplify_jumps(cfg);
  if (has_downward_edges(cfg)) {
    order_blocks(cfg);
    TRY(bound_loops(cfg, max_packet_offset));
  }
  assert(check_cfg(cfg).empty());

  // From here on the graph's shape is fixed.
  initialize_registers(cfg);
  guard_divisions(cfg);
  hide_constants(cfg);
  guard_packet(cfg, max_packet_offset, indirect);
  assert(check_cfg(cfg).empty());
  return {};
}

}  // namespace cbpfc

// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/packet_output.h"

namespace xdpcap {

std::vector<PcapngStatistics> statistics_blocks(const ActionTotals& totals,
                                                const std::vector<Action>& actions,
                                                std::uint64_t start_ns, std::uint64_t end_ns) {
  std::vector<PcapngStatistics> blocks;
  for (const Action action : actions) {
    const PacketTotals& one = totals[index(action)];
    blocks.push_back({.start_ns = start_ns,
                      .end_ns = end_ns,
                      .received = one.received,
                      .accepted = one.matched,
                      .held_back = one.held_back,
                      .overwritten = one.overwritten,
                      .dropped = one.lost,
                      .delivered = one.written});
  }
  return blocks;
}

}  // namespace xdpcap

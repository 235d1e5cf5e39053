// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/packet_output.h"

#include <utility>

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

Result<void> DirectOutput::write(std::span<const TimeOrder::Pending> batch) {
  Result<void> result;
  for (const TimeOrder::Pending& held : batch) {
    if (Result<void> written = packets_.write(held.packet); !written) {
      packets_.close();  // the rest is counted
      result = std::move(written);
    }
  }
  return result;
}

Result<void> DirectOutput::flush() {
  return is_open() ? writer_.flush() : Result<void>{};
}

Result<PacketOutput::Step> DirectOutput::go_on() {
  if (!std::exchange(is_ending_, false) || !is_open()) {
    return Step::Nothing;
  }
  TRY(writer_.flush());
  return Step::Statistics;
}

Result<void> DirectOutput::write_statistics(std::span<const PcapngStatistics> statistics) {
  return is_open() ? writer_.write_statistics(statistics) : Result<void>{};
}

void DirectOutput::count(Action action, PacketTotals& totals) const {
  totals.written = packets_.delivered(action);
  totals.unwritten = packets_.taken(action) - totals.written;
}

}  // namespace xdpcap

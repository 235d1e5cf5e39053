// SPDX-License-Identifier: BSD-3-Clause
//
// Packets straight into the file: one section, which the writer has begun.
//
// Tested by: xdpcap/tests/capture/capture_loop_test.cc.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "xdpcap/capture/packet_output.h"
#include "xdpcap/capture/packet_writer.h"

namespace xdpcap {

class DirectOutput final : public PacketOutput {
 public:
  /// As PacketWriter.
  DirectOutput(PcapngWriter& writer, const WallClock& clock, const std::vector<Action>& actions,
               std::optional<std::uint32_t> sole_ifindex)
      : writer_(writer), packets_(writer, clock, actions, sole_ifindex) {}

  Result<void> write(std::span<const TimeOrder::Held> batch) override;
  Result<void> flush() override;
  Result<Step> go_on() override;
  Result<void> write_statistics(std::span<const PcapngStatistics> statistics) override;
  void end() override { is_ending_ = true; }
  void close() override { packets_.close(); }
  bool is_open() const override { return packets_.is_open(); }
  void count(Action action, PacketTotals& totals) const override;

 private:
  PcapngWriter& writer_;
  PacketWriter packets_;
  bool is_ending_ = false;
};

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// Where the loop of a capture puts its packets: into the file (DirectOutput), or into a flight recorder's memory
// (recorder_output.h).
//
//     write(batch)              as packets come
//     go_on()                   between batches: what the output has to do besides
//       -> Statistics           the packets of a section are all out; write_statistics() ends it
//     end()                     nothing follows; go_on() until there is Nothing left
//
// One virtual call a batch; none for a packet.  After close(), packets are only counted, and nothing fails.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "xdpcap/capture/accounting.h"
#include "xdpcap/capture/packet_writer.h"
#include "xdpcap/capture/time_order.h"
#include "xdpcap/pcapng/pcapng_writer.h"

namespace xdpcap {

class PacketOutput {
 public:
  enum class Step : std::uint8_t {
    Nothing,     ///< nothing to do until something else happens
    More,        ///< go_on() again, after a look at the rings
    Statistics,  ///< write_statistics() is due
  };

  virtual ~PacketOutput() = default;

  /// Takes a batch, in time order.
  /// Errors, here and below: those of the output, which is to be closed then; what follows in the batch is counted.
  virtual Result<void> write(std::span<const TimeOrder::Pending> batch) = 0;

  /// Hands what is on its way into the file to the sink.
  virtual Result<void> flush() = 0;

  virtual Result<Step> go_on() = 0;

  /// Ends a section; without blocks if there are no numbers.
  virtual Result<void> write_statistics(std::span<const PcapngStatistics> statistics) = 0;

  /// The capture is over: all packets are to be written, and a section ended.
  virtual void end() = 0;

  /// Writes no more, for the output failed or should be left alone.
  virtual void close() = 0;
  virtual bool is_open() const = 0;

  /// Fills in what became of the packets of `action` that the output got.
  virtual void count(Action action, PacketTotals& totals) const = 0;
};

/// The numbers of a section's interfaces, for `actions` in their order.
/// Units: `start_ns` and `end_ns` of the capture are wall-clock time.
std::vector<PcapngStatistics> statistics_blocks(const ActionTotals& totals,
                                                const std::vector<Action>& actions,
                                                std::uint64_t start_ns, std::uint64_t end_ns);

// Packets straight into the file: one section, which the writer has begun.
//
// Tested by: xdpcap/tests/capture/capture_loop_test.cc.

class DirectOutput final : public PacketOutput {
 public:
  /// As PacketWriter.
  DirectOutput(PcapngWriter& writer, const WallClock& clock, const std::vector<Action>& actions,
               std::optional<std::uint32_t> sole_ifindex)
      : writer_(writer), packets_(writer, clock, actions, sole_ifindex) {}

  Result<void> write(std::span<const TimeOrder::Pending> batch) override;
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

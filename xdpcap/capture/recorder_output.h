// SPDX-License-Identifier: BSD-3-Clause
//
// Packets into a flight recorder's memory, and out of it into the file when somebody asks: a dump.
//
//     write()      packet -> memory; the oldest make room, and are counted as overwritten
//     ask()        a dump is wanted: why
//     go_on()      begins the section: its comment says why; then some of the memory, oldest first
//     ...          more of it, with looks at the rings between, so that these do not fill up meanwhile
//     write_statistics()   ends the section
//
// A dump is of the packets that were in memory when it began; each is written once, and leaves.  A packet that comes
// meanwhile goes behind them; if it needs the place of one of them, that one is written first rather than
// overwritten.  Who asks during a dump gets the next one; several who ask share it, and the comment names all.
//
// epb_dropcount: what was lost before a packet that is overwritten shows at the next of its action that is written.
//
// Before the first dump nothing is written, so an old file stays until then.
// Cost: a packet's bytes are copied twice if it is written, once if not.
// Limits: a packet larger than the memory is counted as overwritten at once.  What is in the rings when a dump begins,
// some milliseconds of packets, comes with the next.
// Tested by: xdpcap/tests/capture/recorder_output_test.cc, recorder_loop_test.cc,
// xdpcap/tests/kernel/end_to_end/recorder_test.cc.

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "xdpcap/capture/flight_recorder.h"
#include "xdpcap/capture/packet_output.h"
#include "xdpcap/capture/packet_writer.h"
#include "xdpcap/capture/rate_trigger.h"

namespace xdpcap {

/// Why memory is written out: "SIGUSR1", "written on SIGUSR1".
struct DumpReason {
  std::string what;
  std::string phrase;  ///< follows "written"
};

/// A dump that is complete.
struct Dump {
  std::uint64_t packets = 0;
  std::string reason;  ///< DumpReason::what of all who asked
};

struct RecorderOptions {
  FlightRecorder* memory = nullptr;  ///< borrowed
  PcapngSection section;             ///< of every dump; the comment is added
  int request_fd = -1;               ///< non-blocking; readable when a dump is asked for by SIGUSR1
  std::vector<RateLimit> triggers;
  std::function<void(const Dump&)> on_dump;  ///< may be empty
};

class RecorderOutput final : public PacketOutput {
 public:
  /// `actions` in the order of the section's interfaces; `sole_ifindex` as in packet_writer.h.
  /// Ownership: borrows all; `writer` has begun no section.
  RecorderOutput(PcapngWriter& writer, const WallClock& clock, const std::vector<Action>& actions,
                 std::optional<std::uint32_t> sole_ifindex, const RecorderOptions& options);

  /// Wants what is in memory written out.
  void ask(DumpReason reason);

  Result<void> write(std::span<const TimeOrder::Pending> batch) override;
  Result<void> flush() override;
  Result<Step> go_on() override;
  Result<void> write_statistics(std::span<const PcapngStatistics> statistics) override;
  void end() override;
  /// Gives up what is in memory: it is counted as unwritten.
  void close() override;
  bool is_open() const override { return packets_.is_open(); }
  void count(Action action, PacketTotals& totals) const override;

 private:
  /// The packets of one action.
  struct Count {
    bool is_captured = false;
    std::uint64_t taken = 0;
    std::uint64_t in_memory = 0;
    std::uint64_t overwritten = 0;
  };

  Result<void> keep(const Packet& packet);
  Result<void> make_room(std::size_t captured_bytes);
  Result<void> begin_dump();
  Result<void> write_oldest();
  void overwrite_oldest();

  PcapngWriter& writer_;
  const WallClock& clock_;
  FlightRecorder& memory_;
  const RecorderOptions& options_;
  PacketWriter packets_;
  ByAction<Count> counts_;
  std::vector<DumpReason> asked_;  // of the next dump
  Dump dump_;                      // the one that is being written
  bool is_dumping_ = false;
  std::uint64_t to_write_packets_ = 0;  // of it, in front of the memory
};

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// The loop of a capture: rings to file, until it is told to stop.
//
//     wait   for a ring, a signal, the output going away, or time
//     take   what is in the rings, in time order (time_order.h)
//     write  it into the file or a flight recorder's memory (packet_output.h), give the space back
//     go on  with writing out that memory, if somebody asked (dump_requests.h)
//     once a second: counters to the status line, also while a write waits for a slow reader; buffered blocks to the file
//
// Waiting.  While a ring holds anything, the loop looks again after the look-back, a millisecond,
// and does not ask the kernel about the ring: poll() reports a ring as readable as long as it holds
// anything, also a record that is still being filled, and asking again and again would be spinning.
// This alone makes batches of a busy ring.  Only when all are empty are they polled, 100 ms at
// most: longer than that no packet waits, whatever the watermark; looking at an empty ring is one
// load.
//
// Stopping.  A signal (SIGINT, SIGTERM, SIGHUP through the signal descriptor), a word of the capture's guardian, as many packets
// as were asked for, an output that is gone (EPIPE: the normal end of `| head`), an output that fails (a full disk), or counters that
// cannot be read.  Then, in this order: the programs leave the hook, so nothing new arrives; the
// ring is emptied; a flight recorder's memory is written out; the counters are final; statistics blocks; the end.  The signal is left in its
// descriptor, where the sink sees it: an output that then takes nothing for half a second ends the
// writing, and what is left is counted as unwritten.  More signals change nothing.
//
// Tested by: xdpcap/tests/capture/capture_loop_test.cc with a ring in memory, tests/kernel.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "xdpcap/capture/accounting.h"
#include "xdpcap/capture/clock.h"
#include "xdpcap/capture/recorder_output.h"
#include "xdpcap/pcapng/byte_sink.h"
#include "xdpcap/pcapng/pcapng_writer.h"
#include "xdpcap/ring/record_reader.h"
#include "xdpcap/sharing/hook_capture.h"

namespace xdpcap {

/// Where records come from: a HookCapture, or a test.
class CaptureSource {
 public:
  virtual ~CaptureSource() = default;
  /// Counters of every action, for every possible CPU.
  virtual Result<std::vector<ActionCounters>> counters_by_cpu() = 0;
  /// From here on counters and ring are final.
  virtual Result<void> detach() = 0;
};

/// Somebody beside the loop who may want the capture to end: its guardian.
class CaptureWatch {
 public:
  /// That the capture is to end; with an error if that is a failure.
  struct End {
    std::optional<Error> error;
  };
  virtual ~CaptureWatch() = default;
  /// Readable when look() has something to do; -1: never again.
  virtual int fd() const = 0;
  virtual std::optional<End> look() = 0;
};

/// Who gets the numbers of a capture; each may be empty.
struct StatisticsReaders {
  std::function<void(const CaptureStatistics&)> once_a_second;
  std::function<void(const CaptureStatistics&)> at_the_end;  ///< when nothing changes any more
};

struct CaptureLoopOptions {
  std::vector<Action> actions;                ///< in the order of the file's interfaces
  std::optional<std::uint32_t> sole_ifindex;  ///< as in packet_writer.h
  int wake_fd = -1;    ///< becomes readable when the rings should be looked at
  int signal_fd = -1;  ///< a signalfd; any signal from it stops the capture
  int output_fd = -1;  ///< watched for its reader going away; -1: not watched
  /// Ends the capture when so many packets have been read; the kernel lets no more through.
  std::optional<std::uint64_t> most_packets;
  bool flush = false;  ///< hand every packet to the output at once
  StatisticsReaders readers;
  std::optional<RecorderOptions> recorder;  ///< packets go there first
  CaptureWatch* watch = nullptr;            ///< none
};

enum class CaptureEnd {
  Signal,        ///< asked to stop
  Enough,        ///< as many packets as were asked for
  OutputClosed,  ///< the reader of a pipe went away
  OutputStuck,   ///< asked to stop while the output took nothing more
  Failed,        ///< `error` says why
};

struct CaptureSummary {
  CaptureEnd end = CaptureEnd::Signal;
  std::optional<Error> error;         ///< the first that happened
  ActionTotals totals;                ///< of the captured actions
  bool are_totals_known = false;      ///< whether the counters could be read after the end
  std::uint64_t corrupt_records = 0;  ///< skipped records that no capture program can have written
};

/// Captures until stopped, then detaches and finishes the file.
///
/// Ownership: borrows everything for the time of the call.  `writer` writes to `sink`, which is finished on return; it
/// has begun a section, unless there is a flight recorder.
CaptureSummary run_capture(CaptureSource& source, const RecordReaders& rings, PcapngWriter& writer,
                           ByteSink& sink, TimeSource& time, const CaptureLoopOptions& options);

}  // namespace xdpcap

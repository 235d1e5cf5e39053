// SPDX-License-Identifier: BSD-3-Clause
//
// The loop of a capture that only counts: sleep, read counters once a second, until it is told to stop.
//
// Tested by: xdpcap/tests/capture/count_loop_test.cc, xdpcap/tests/kernel/end_to_end/limits_test.cc.

#pragma once

#include "xdpcap/capture/capture_loop.h"

namespace xdpcap {

struct CountLoopOptions {
  std::vector<Action> actions;
  int signal_fd = -1;  ///< a signalfd; any signal from it ends the counting
  StatisticsReaders readers;
  CaptureWatch* watch = nullptr;  ///< none
};

/// Counts until stopped, then detaches.  Of the totals, `received` and `matched` are filled.
///
/// Ownership: borrows everything for the time of the call.
CaptureSummary run_count(CaptureSource& source, TimeSource& time, const CountLoopOptions& options);

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// Who asks for what a flight recorder has in memory: SIGUSR1, or a rate that passed its limit.
//
// Counters of all CPUs are read every 100 ms, only if there is a limit.
// Tested by: xdpcap/tests/capture/recorder_loop_test.cc.

#pragma once

#include <cstdint>
#include <vector>

#include "xdpcap/capture/recorder_output.h"
#include "xdpcap/sharing/hook_capture.h"

namespace xdpcap {

class CaptureSource;

class DumpRequests {
 public:
  /// Ownership: borrows all; `recorder` may be null, and then nobody asks for anything.
  DumpRequests(const RecorderOptions* options, CaptureSource& source, RecorderOutput* recorder);

  /// Readable when take_signal() should be called; -1: never.
  int fd() const { return recorder_ == nullptr ? -1 : options_->request_fd; }
  void take_signal();

  /// Looks at the rates if it is time to.  Errors: those of the counters.
  Result<void> look(std::uint64_t now_ns);

  /// `wait_ns`, or less if look() has to be called before.
  std::uint64_t until_look_ns(std::uint64_t now_ns, std::uint64_t wait_ns) const;

 private:
  const RecorderOptions* options_;
  CaptureSource* source_;
  RecorderOutput* recorder_;
  std::vector<RateTrigger> triggers_;
  std::uint64_t next_look_ns_ = 0;
};

}  // namespace xdpcap

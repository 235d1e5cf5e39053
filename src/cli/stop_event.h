// SPDX-License-Identifier: BSD-3-Clause
//
// How a thread that waits for a descriptor is told to end.

#pragma once

#include <chrono>

#include "kernel/unique_fd.h"

namespace xdpcap::cli {

class StopEvent {
 public:
  enum class Woken { Ready, Stopped, Late };

  StopEvent();

  /// Ends every wait, those to come too.  Thread-safe.
  void stop() const;

  /// Waits until `fd` has one of the poll(2) `events` or is broken, for `most` at the most; a negative time: for
  /// ever.  Being stopped counts first.
  Woken wait(int fd, short events, std::chrono::milliseconds most) const;

 private:
  UniqueFd event_;
};

}  // namespace xdpcap::cli

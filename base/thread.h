// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <cbpfc/result.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "base/unique_fd.h"

namespace xdpcap {

/// Starts a thread that does `what`, as in "answer signals".
/// Errors: Kernel when the limit of processes is reached, or there is no memory for its stack.
cbpfc::Result<std::thread> start_thread(const std::string& what, std::function<void()> body);

}  // namespace xdpcap

// How a thread that waits for a descriptor is told to end.

namespace xdpcap::cli {

class StopEvent {
 public:
  enum class Woken { Ready, Stopped, Late };

  /// Errors: Kernel when there are no more descriptors.
  static cbpfc::Result<StopEvent> create();

  /// Ends every wait, those to come too.  Thread-safe.
  void stop() const;

  /// Waits until `fd` has one of the poll(2) `events` or is broken, for `most` at the most; a negative time: for
  /// ever.  Being stopped counts first.
  Woken wait(int fd, short events, std::chrono::milliseconds most) const;

 private:
  explicit StopEvent(UniqueFd event) : event_(std::move(event)) {}
  UniqueFd event_;
};

}  // namespace xdpcap::cli

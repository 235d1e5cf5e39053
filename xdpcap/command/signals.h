// SPDX-License-Identifier: BSD-3-Clause
//
// Signals as descriptors: those that stop a capture, and those that ask a running one for something.
//
// They are blocked before anything is made that would have to be taken away again, so none can
// arrive between two system calls and leave a capture program behind: they wait in the descriptor
// until the loop looks.  Until then, where a filter may take a while to compile, they simply end the
// process.
//
// Source: signalfd(2).  Linux queues a blocked signal even when it is set to be ignored, so
// nohup(1) has to be honoured here: SIGHUP is left out when it is ignored at the start.  SIGINT is
// not, because shells ignore it for every background job, and `kill -INT` is how one stops those.

#pragma once

#include <cbpfc/result.h>

#include <chrono>
#include <initializer_list>
#include <optional>

#include "base/unique_fd.h"

namespace xdpcap::cli {

/// Lets SIGINT end the process even if the shell set it to be ignored, as StopSignals does later.
void heed_interrupts();

class StopSignals {
 public:
  /// Blocks SIGINT, SIGTERM and SIGHUP.  Ignores SIGPIPE and SIGXFSZ: a broken pipe and a file that
  /// may grow no more are errors of write(). Errors: Errc::Kernel.
  static cbpfc::Result<StopSignals> block();

  int fd() const { return fd_.get(); }

  /// Waits for a signal at most so long; true if one arrived.  It is not taken.
  bool wait(std::chrono::milliseconds most) const;

 private:
  explicit StopSignals(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

/// Signals that ask for something and end nothing: SIGUSR1, SIGUSR2.
class RequestSignals {
 public:
  /// Blocks `signals`, so that they never end the process.  Errors: Errc::Kernel.
  static cbpfc::Result<RequestSignals> block(std::initializer_list<int> signals);

  /// Readable while one waits; never blocks a read.
  int fd() const { return fd_.get(); }
  /// Takes one that has arrived, if any; one that came several times counts once.
  std::optional<int> take() const;

 private:
  explicit RequestSignals(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace xdpcap::cli

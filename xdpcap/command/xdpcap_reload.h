// SPDX-License-Identifier: BSD-3-Clause
//
// Another filter for a running capture: SIGUSR2 reads -F FILE again.
//
// A thread beside the capture reads and compiles, which takes up to a second for long lists; the guardian loads.  The
// capture may end meanwhile, should the file not be had: the thread is left behind then.  What is wrong with the new
// filter is said on standard error, and the old one stays.  SIGUSR1, which
// asks for a flight recorder's packets, is answered here where there is none.

#pragma once

#include <memory>

#include "cbpfc/input/filter_file.h"
#include "xdpcap/command/guarded_capture.h"
#include "xdpcap/command/signals.h"
#include "xdpcap/command/xdpcap_options.h"

namespace xdpcap {

class FilterReload {
 public:
  /// `signals` are SIGUSR2, and SIGUSR1 if it means nothing to this capture.
  /// `file`: that of -F, or null.
  /// Ownership: borrows `capture` and `signals` until stop() or the end.
  /// Errors: Kernel when there can be no thread.
  static Result<FilterReload> start(const GuardedCapture& capture, const XdpcapOptions& options,
                                    const std::shared_ptr<const FilterFile>& file,
                                    const cli::RequestSignals& signals);
  FilterReload(FilterReload&&) noexcept;
  FilterReload& operator=(FilterReload&&) = delete;
  FilterReload(const FilterReload&) = delete;
  FilterReload& operator=(const FilterReload&) = delete;
  ~FilterReload();

  /// From here on the filter stays; waits for a change that is being made.
  void stop();

 private:
  struct Worker;
  explicit FilterReload(std::shared_ptr<Worker> worker);
  std::shared_ptr<Worker> worker_;
};

}  // namespace xdpcap

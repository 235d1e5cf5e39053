// SPDX-License-Identifier: BSD-3-Clause
//
// A capture on a hook together with its guardian: how xdpcap comes to its place there, and how it leaves.
//
//     a place among the captures (join_chain.h) -> guardian -> maps and programs -> slots ... -> the guardian clears them

#pragma once

#include <memory>
#include <optional>

#include "attach/hook_capture.h"
#include "attach/hook_lock.h"
#include "capture/capture_loop.h"
#include "guard/guardian_link.h"
#include "tools/xdpcap_options.h"

namespace xdpcap {

/// The lock on hooks; where it cannot be had, one that is never granted, which -v says.
HookLock open_lock(const XdpcapOptions& options);

class GuardedCapture final : public CaptureWatch {
 public:
  /// All but the slots.  Says on standard error what was cleaned up.
  /// Ownership: borrows `hook`, `lock` and `options`, which must outlive it.
  /// Errors: those of find_variant(), join_chain(), GuardianLink::start() and HookCapture::prepare().
  static Result<std::unique_ptr<GuardedCapture>> prepare(const Hook& hook, const HookLock& lock,
                                                         const cbpfc::Filter& filter,
                                                         const XdpcapOptions& options,
                                                         const HookCaptureOptions& capture);

  /// Into the slots.
  /// Errors: those of HookCapture::enter().
  Result<void> enter();

  /// Out of them; counters and rings are final then.
  Result<void> leave();

  HookCapture& capture() { return *capture_; }

  /// Takes note of the numbers, once a second; if nothing has been captured in the first five, asks the guardian why.
  void note(const CaptureStatistics& statistics);

  int fd() const override { return guardian_ ? guardian_->fd() : -1; }
  std::optional<End> look() override;

 private:
  explicit GuardedCapture(const XdpcapOptions& options) : options_(options) {}

  const XdpcapOptions& options_;
  int seconds_ = 0;
  std::optional<GuardianLink> guardian_;  // ends after the capture has left
  std::optional<HookCapture> capture_;
};

}  // namespace xdpcap

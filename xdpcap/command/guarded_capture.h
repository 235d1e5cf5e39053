// SPDX-License-Identifier: BSD-3-Clause
//
// A capture on a hook together with its guardian: how xdpcap comes to its place there, and how it leaves.
//
//     maps -> guardian -> a place among the captures (chain.h), programs -> slots ... -> the guardian empties them

#pragma once

#include <memory>
#include <optional>
#include <string>

#include "xdpcap/capture/capture_loop.h"
#include "xdpcap/command/xdpcap_options.h"
#include "xdpcap/sharing/guardian.h"
#include "xdpcap/sharing/hook_capture.h"

namespace xdpcap {

class GuardedCapture final : public CaptureWatch {
 public:
  /// Makes the maps, and starts a guardian, which goes on to get_place() by itself.  What `output_fd` is open to is not held by it.
  /// Ownership: borrows `options`.  `hook` is not used any more afterwards.
  /// Errors: those of find_variant(), HookCapture::prepare() and Guardian::start().
  static Result<std::unique_ptr<GuardedCapture>> prepare(const Hook& hook,
                                                         const cbpfc::Filter& filter,
                                                         const XdpcapOptions& options,
                                                         const HookCaptureOptions& capture,
                                                         int output_fd = -1);

  /// Waits until there is a place on the hook, and the programs are loaded.  Says on standard error what was cleaned up.
  /// Errors: those of Guardian::ask() and HookCapture::join().
  Result<void> get_place();
  /// Into the slots, or out of them; counters and rings are final then.
  /// Errors: those of Guardian::ask(), HookCapture::enter() and Chain::leave().
  Result<void> enter() { return ask(MessageKind::Enter); }
  Result<void> leave() { return ask(MessageKind::Leave); }

  HookCapture& capture() { return capture_; }

  /// Has another filter loaded, of this text; how that went is said on standard error.
  /// Thread safety: may be called beside everything else.
  /// Errors: Io.
  Result<void> send_filter(const cbpfc::Filter& filter, const std::string& text) const;

  /// Takes note of the numbers, once a second; if nothing has been captured in the first five, asks the guardian why.
  void note(const CaptureStatistics& statistics);
  /// Whether packets came that this capture was not called for.
  bool has_missed() const { return has_missed_; }

  int fd() const override { return guardian_.fd(); }
  std::optional<End> look() override;

 private:
  GuardedCapture(const XdpcapOptions& options, HookCapture capture, UniqueFd filter_memory,
                 Guardian guardian)
      : options_(options),
        capture_(std::move(capture)),
        filter_memory_(std::move(filter_memory)),
        guardian_(std::move(guardian)) {}

  Result<void> ask(MessageKind kind) {
    TRY(guardian_.ask(kind));
    return {};
  }

  const XdpcapOptions& options_;
  HookCapture capture_;
  UniqueFd filter_memory_;  ///< in which the guardian reads other filters
  Guardian guardian_;
  int seconds_ = 0;
  bool has_missed_ = false;
};

}  // namespace xdpcap

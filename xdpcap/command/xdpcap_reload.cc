// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/xdpcap_reload.h"

#include <poll.h>

#include <chrono>
#include <csignal>
#include <mutex>
#include <optional>
#include <utility>

#include "base/report.h"
#include "base/thread.h"
#include "xdpcap/command/xdpcap_start.h"
#include "xdpcap/statistics/status.h"

namespace xdpcap {

struct FilterReload::Worker {
  const GuardedCapture& capture;
  const cli::RequestSignals& signals;
  const int signal_fd = signals.fd();
  const std::shared_ptr<const FilterFile> file;
  const cbpfc::LinkType link_type;
  const bool is_verbose;
  cli::StopEvent end;
  std::mutex mutex = {};
  bool is_over = false;  ///< with the mutex: what is borrowed may be gone

  void run() {
    constexpr std::chrono::milliseconds kForEver{-1};
    while (end.wait(signal_fd, POLLIN, kForEver) == cli::StopEvent::Woken::Ready) {
      const std::optional<int> signal = take_signal();
      if (signal == SIGUSR2) {
        reload();
      } else if (signal == SIGUSR1) {
        cli::print_over_status(
            "xdpcap: signal SIGUSR1: no -ring BYTES was given, so no packets are kept to be written; "
            "the capture goes on\n");
      }
    }
  }

  std::optional<int> take_signal() {
    const std::lock_guard lock(mutex);
    return is_over ? std::nullopt : signals.take();
  }

  void reload() {
    if (file == nullptr) {
      cli::print_over_status(
          "xdpcap: signal SIGUSR2: no -F FILE was given to read a filter from; the filter stays\n");
      return;
    }
    const Result<GivenFilter> given = filter_again(*file, link_type);
    const std::lock_guard lock(mutex);
    if (is_over) {
      return;
    }
    const Result<void> sent = given ? capture.send_filter(given->filter, given->text)
                                    : Result<void>(std::unexpected(given.error()));
    if (!sent) {
      cli::print_over_status(cli::format_error("xdpcap", sent.error(), is_verbose) +
                             "xdpcap: the filter stays as it was\n");
    }
  }
};

FilterReload::FilterReload(std::shared_ptr<Worker> worker) : worker_(std::move(worker)) {}
FilterReload::FilterReload(FilterReload&&) noexcept = default;

Result<FilterReload> FilterReload::start(const GuardedCapture& capture,
                                         const XdpcapOptions& options,
                                         const std::shared_ptr<const FilterFile>& file,
                                         const cli::RequestSignals& signals) {
  std::shared_ptr<Worker> worker(new Worker{.capture = capture,
                                            .signals = signals,
                                            .file = file,
                                            .link_type = options.link_type,
                                            .is_verbose = options.verbose,
                                            .end = TRY(cli::StopEvent::create())});
  TRY(start_thread("answer signals", [worker] { worker->run(); })).detach();
  return FilterReload(std::move(worker));
}

FilterReload::~FilterReload() {
  stop();
}

void FilterReload::stop() {
  if (worker_) {
    worker_->end.stop();
    const std::lock_guard lock(worker_->mutex);
    worker_->is_over = true;
  }
}

}  // namespace xdpcap

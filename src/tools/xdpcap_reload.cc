// SPDX-License-Identifier: BSD-3-Clause

#include "tools/xdpcap_reload.h"

#include <fmt/format.h>
#include <poll.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <thread>
#include <utility>

#include "cli/report.h"
#include "cli/start_thread.h"
#include "cli/status.h"
#include "cli/stop_event.h"
#include "tools/xdpcap_start.h"

namespace xdpcap {

struct FilterReload::Worker {
  const GuardedCapture& capture;
  const XdpcapOptions& options;
  const cli::RequestSignals& signals;
  cli::StopEvent end;
  std::thread thread;

  void run() {
    constexpr std::chrono::milliseconds kForEver{-1};
    while (end.wait(signals.fd(), POLLIN, kForEver) == cli::StopEvent::Woken::Ready) {
      const std::optional<int> signal = signals.take();
      if (signal == SIGUSR2) {
        reload();
      } else if (signal == SIGUSR1) {
        cli::print_over_status(
            "xdpcap: signal SIGUSR1: no -ring BYTES was given, so no packets are kept to be written; "
            "the capture goes on\n");
      }
    }
  }

  void reload() {
    if (!options.filter_file) {
      cli::print_over_status(
          "xdpcap: signal SIGUSR2: no -F FILE was given to read a filter from; the filter stays\n");
      return;
    }
    if (*options.filter_file == "-") {
      cli::print_over_status(
          "xdpcap: signal SIGUSR2: standard input cannot be read again; the filter stays\n");
      return;
    }
    if (const Result<void> sent = send(); !sent) {
      cli::print_over_status(cli::format_error("xdpcap", sent.error(), options.verbose) +
                             "xdpcap: the filter stays as it was\n");
    }
  }

  Result<void> send() const {
    const std::string text = TRY(read_filter(options));
    return capture.send_filter(TRY(make_filter(text, options.link_type)), text);
  }
};

FilterReload::FilterReload(std::unique_ptr<Worker> worker) : worker_(std::move(worker)) {}
FilterReload::FilterReload(FilterReload&&) noexcept = default;

Result<FilterReload> FilterReload::start(const GuardedCapture& capture,
                                         const XdpcapOptions& options,
                                         const cli::RequestSignals& signals) {
  std::unique_ptr<Worker> worker(new Worker{.capture = capture,
                                            .options = options,
                                            .signals = signals,
                                            .end = TRY(cli::StopEvent::create()),
                                            .thread = {}});
  worker->thread =
      TRY(cli::start_thread("answer signals", [worker = worker.get()] { worker->run(); }));
  return FilterReload(std::move(worker));
}

FilterReload::~FilterReload() {
  stop();
}

void FilterReload::stop() {
  if (worker_ && worker_->thread.joinable()) {
    worker_->end.stop();
    worker_->thread.join();
  }
}

}  // namespace xdpcap

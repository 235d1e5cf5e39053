// SPDX-License-Identifier: BSD-3-Clause

#include "tools/xdpcap_reload.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <thread>

#include "cli/report.h"
#include "tools/xdpcap_start.h"

namespace xdpcap {

struct FilterReload::Worker {
  HookCapture& capture;
  const XdpcapOptions& options;
  const cli::ReloadSignal& signal;
  UniqueFd end{::eventfd(0, EFD_CLOEXEC)};
  std::thread thread;

  void run() {
    while (true) {
      std::array<pollfd, 2> waits{{{.fd = end.get(), .events = POLLIN, .revents = 0},
                                   {.fd = signal.fd(), .events = POLLIN, .revents = 0}}};
      if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) {
        return;
      }
      if (waits[0].revents != 0) {
        return;
      }
      if (signal.take()) {
        reload();
      }
    }
  }

  void reload() {
    if (!options.filter_file) {
      say("xdpcap: signal SIGUSR2: no -F FILE was given to read a filter from; the filter stays\n");
      return;
    }
    if (*options.filter_file == "-") {
      say("xdpcap: signal SIGUSR2: standard input cannot be read again; the filter stays\n");
      return;
    }
    Result<std::string> text = read_filter(options);
    Result<void> replaced;
    if (text) {
      if (const Result<cbpfc::Filter> filter = make_filter(*text, options.link_type); filter) {
        replaced = capture.replace_filter(*filter);
      } else {
        replaced = std::unexpected(filter.error());
      }
    } else {
      replaced = std::unexpected(text.error());
    }
    if (replaced) {
      say(fmt::format("xdpcap: filter {} read again: {}\n", *options.filter_file,
                      cli::printable(*text)));
    } else {
      say(cli::format_error("xdpcap", replaced.error(), options.verbose) +
          "xdpcap: the filter stays as it was\n");
    }
  }

  /// On a terminal, in the place of the status line, which comes again below.
  static void say(const std::string& lines) {
    cli::print_to_stderr((::isatty(STDERR_FILENO) == 1 ? "\r\x1b[K" : "") + lines);
  }
};

FilterReload::FilterReload(HookCapture& capture, const XdpcapOptions& options,
                           const cli::ReloadSignal& signal)
    : worker_(new Worker{.capture = capture, .options = options, .signal = signal, .thread = {}}) {
  worker_->thread = std::thread([worker = worker_.get()] { worker->run(); });
}

FilterReload::~FilterReload() {
  stop();
}

void FilterReload::stop() {
  if (worker_->thread.joinable()) {
    ::eventfd_write(worker_->end.get(), 1);
    worker_->thread.join();
  }
}

}  // namespace xdpcap

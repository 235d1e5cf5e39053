// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/xdpcap_statistics.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <utility>

#include "base/file_io.h"
#include "base/report.h"
#include "xdpcap/command/xdpcap_report.h"
#include "xdpcap/statistics/statistics_text.h"

namespace xdpcap {

StatisticsOutlets::StatisticsOutlets(const XdpcapOptions& options, std::vector<Action> actions,
                                     std::shared_ptr<const StatisticsFile> file)
    : hook_path_(options.hook_path),
      actions_(std::move(actions)),
      shows_status_(!options.quiet),
      like_original_(options.like_original),
      json_fd_(!options.json            ? -1
               : options.is_to_stdout() ? STDERR_FILENO
                                        : STDOUT_FILENO),
      file_(std::move(file)) {}

Result<std::unique_ptr<StatisticsOutlets>> StatisticsOutlets::open(
    const XdpcapOptions& options, std::vector<Action> actions,
    std::shared_ptr<const StatisticsFile> file) {
  std::unique_ptr<StatisticsOutlets> outlets(new StatisticsOutlets(
      options, std::move(actions), std::move(file)));  // NOLINT: the constructor is private
  if (outlets->file_ != nullptr) {
    TRY(outlets->file_
            ->replace(cli::statistics_prometheus({}, outlets->actions_, outlets->hook_path_))
            .with_context("option -stats-prometheus"));
  }
  return outlets;
}

Result<void> StatisticsOutlets::start() {
  if (json_fd_ >= 0) {
    json_.emplace(TRY(cli::LatestWriter::start(
        // When nobody reads any more, the capture goes on.
        [fd = json_fd_](const std::string& line) { static_cast<void>(write_all(fd, line)); })));
  }
  if (file_ != nullptr) {
    auto has_complained = std::make_shared<std::atomic<bool>>(false);
    file_writer_.emplace(
        TRY(cli::LatestWriter::start([file = file_, has_complained](const std::string& text) {
          const Result<void> replaced = file->replace(text);
          if (!replaced && !has_complained->exchange(true)) {
            cli::print_over_status(cli::format_error("xdpcap", replaced.error(), false));
          }
        })));
  }
  return {};
}

void StatisticsOutlets::publish(const CaptureStatistics& statistics) {
  if (json_) {
    json_->put(cli::statistics_json(statistics, actions_, hook_path_));
  }
  if (file_writer_) {
    file_writer_->put(cli::statistics_prometheus(statistics, actions_, hook_path_));
  }
}

void StatisticsOutlets::show(const CaptureStatistics& statistics, bool is_last) {
  if (like_original_) {
    constexpr std::chrono::milliseconds kNoPatience{0};  // the next line has newer numbers
    cli::print_to_stderr(cli::original_status(statistics.totals, actions_) + "\n",
                         is_last ? cli::kStderrPatience : kNoPatience);
  } else if (is_last) {
    status_.print_last(statistics.totals, actions_);
  } else {
    status_.print(statistics.totals, actions_);
  }
}

StatisticsReaders StatisticsOutlets::readers() {
  StatisticsReaders readers;
  if (shows_status_ || json_ || file_writer_) {
    readers.once_a_second = [this](const CaptureStatistics& statistics) {
      if (shows_status_) {
        show(statistics, false);
      }
      publish(statistics);
    };
    readers.at_the_end = [this](const CaptureStatistics& statistics) {
      if (shows_status_) {
        show(statistics, true);
      }
      publish(statistics);
    };
  }
  return readers;
}

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// Where the numbers of a capture go: the status line, JSON lines, a file for Prometheus.
//
// JSON goes to standard output, or to standard error when the packets have standard output.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "xdpcap/capture/capture_loop.h"
#include "xdpcap/command/xdpcap_options.h"
#include "xdpcap/statistics/latest_writer.h"
#include "xdpcap/statistics/statistics_file.h"
#include "xdpcap/statistics/status.h"

namespace xdpcap {

class StatisticsOutlets {
 public:
  /// Opens what the options ask for.  `file`: that of -stats-prometheus, or null.
  /// Errors: those of StatisticsFile::replace().
  static Result<std::unique_ptr<StatisticsOutlets>> open(
      const XdpcapOptions& options, std::vector<Action> actions,
      std::shared_ptr<const StatisticsFile> file);

  /// Starts the threads that write.
  /// Errors: those of LatestWriter::start().
  Result<void> start();

  /// For the loop, while this lives; once started.
  StatisticsReaders readers();
  /// So that something else can be printed.
  void end_status_line() { status_.end(); }

 private:
  StatisticsOutlets(const XdpcapOptions& options, std::vector<Action> actions,
                    std::shared_ptr<const StatisticsFile> file);
  void show(const CaptureStatistics& statistics, bool is_last);
  void publish(const CaptureStatistics& statistics);

  std::string hook_path_;
  std::vector<Action> actions_;
  bool shows_status_;
  bool like_original_;
  int json_fd_;  ///< -1: no JSON
  std::shared_ptr<const StatisticsFile> file_;
  cli::StatusLine status_;
  std::optional<cli::LatestWriter> json_;
  std::optional<cli::LatestWriter> file_writer_;
};

}  // namespace xdpcap

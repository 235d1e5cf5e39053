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

#include "capture/capture_loop.h"
#include "cli/latest_writer.h"
#include "cli/status.h"
#include "tools/statistics_file.h"
#include "tools/xdpcap_options.h"

namespace xdpcap {

class StatisticsOutlets {
 public:
  /// Opens what the options ask for.  `file`: that of -stats-prometheus, or null.
  /// Errors: those of StatisticsFile::replace().
  static Result<std::unique_ptr<StatisticsOutlets>> open(
      const XdpcapOptions& options, std::vector<Action> actions,
      const std::shared_ptr<const StatisticsFile>& file);

  /// For the loop, while this lives.
  StatisticsReaders readers();
  /// So that something else can be printed.
  void end_status_line() { status_.end(); }

 private:
  StatisticsOutlets(const XdpcapOptions& options, std::vector<Action> actions);
  Result<void> open_file(const std::shared_ptr<const StatisticsFile>& file);
  void show(const CaptureStatistics& statistics, bool is_last);
  void publish(const CaptureStatistics& statistics);

  std::string hook_path_;
  std::vector<Action> actions_;
  bool shows_status_;
  bool like_original_;
  cli::StatusLine status_;
  std::optional<cli::LatestWriter> json_;
  std::optional<cli::LatestWriter> file_;
};

}  // namespace xdpcap

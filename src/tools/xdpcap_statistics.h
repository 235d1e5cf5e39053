// SPDX-License-Identifier: BSD-3-Clause
//
// Where the numbers of a capture go: the status line, JSON lines, a file or socket for Prometheus.
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
#include "cli/text_server.h"
#include "tools/xdpcap_options.h"

namespace xdpcap {

class StatisticsOutlets {
 public:
  /// Opens what the options ask for.
  /// Errors: those of the Prometheus file or socket, naming it.
  static Result<std::unique_ptr<StatisticsOutlets>> open(const XdpcapOptions& options,
                                                         std::vector<Action> actions);

  /// For the loop, while this lives.
  StatisticsReaders readers();
  /// So that something else can be printed.
  void end_status_line() { status_.end(); }

 private:
  StatisticsOutlets(const XdpcapOptions& options, std::vector<Action> actions);
  Result<void> open_prometheus(const std::string& place);
  void show(const CaptureStatistics& statistics, bool is_last);
  void publish(const CaptureStatistics& statistics);

  std::string hook_path_;
  std::vector<Action> actions_;
  bool shows_status_;
  bool like_original_;
  cli::StatusLine status_;
  std::optional<cli::LatestWriter> json_;
  std::optional<cli::LatestWriter> prometheus_file_;
  std::optional<cli::TextServer> prometheus_socket_;
};

}  // namespace xdpcap

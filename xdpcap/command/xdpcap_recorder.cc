// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/xdpcap_recorder.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/report.h"
#include "xdpcap/kernel/errors.h"
#include "xdpcap/statistics/status.h"

namespace xdpcap {

Result<std::optional<FlightRecorder>> allocate_recorder(const XdpcapOptions& options) {
  if (!options.recorder_bytes) {
    return std::nullopt;
  }
  return TRY(FlightRecorder::allocate(*options.recorder_bytes).with_context("option -ring"));
}

Result<void> check_triggers(const XdpcapOptions& options, const std::vector<Action>& actions) {
  for (const RateLimit& limit : options.triggers) {
    if (std::ranges::find(actions, limit.action) == actions.end()) {
      return fail(Errc::InvalidArgument,
                  fmt::format("option -trigger: hook {} has no slot for {}; leave that trigger out",
                              options.hook_path, name(limit.action)));
    }
  }
  return {};
}

RecorderOptions recorder_options(FlightRecorder& memory, const XdpcapOptions& options,
                                 PcapngSection section, const cli::RequestSignals& dump_signal) {
  RecorderOptions recorder{.memory = &memory,
                           .section = std::move(section),
                           .request_fd = dump_signal.fd(),
                           .triggers = options.triggers,
                           .on_dump = {}};
  if (!options.quiet) {
    recorder.on_dump = [&options](const Dump& dump) {
      cli::print_over_status(fmt::format("flight recorder: {} written to {}: {}\n",
                                         counted(dump.packets, "packet"),
                                         cli::printable(options.output), dump.reason));
    };
  }
  return recorder;
}

}  // namespace xdpcap

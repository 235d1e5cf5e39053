// SPDX-License-Identifier: BSD-3-Clause

#include "capture/count_loop.h"

#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>

namespace xdpcap {
namespace {

using std::chrono::steady_clock;

/// Waits until `when` or a signal; true: a signal.
Result<bool> wait_for_signal(int signal_fd, steady_clock::time_point when) {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(when - steady_clock::now()).count();
    if (left <= 0) {
      return false;
    }
    pollfd wait{.fd = signal_fd, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(left));
    if (ready > 0) {
      return true;
    }
    if (ready < 0 && errno != EINTR) {
      return fail(Errc::Kernel, fmt::format("wait while counting: poll: {}", std::strerror(errno)),
                  errno);
    }
  }
}

Result<CaptureStatistics> read_statistics(CaptureSource& source, TimeSource& time,
                                          const CountLoopOptions& options) {
  CaptureStatistics statistics;
  statistics.by_cpu = TRY(source.counters_by_cpu());
  statistics.wall_ns = WallClock(time).to_wall_ns(time.monotonic_ns());
  statistics.totals = count_totals(statistics.by_cpu, options.actions);
  return statistics;
}

}  // namespace

CaptureSummary run_count(CaptureSource& source, TimeSource& time, const CountLoopOptions& options) {
  CaptureSummary summary;
  const auto note = [&](Error error) {
    summary.end = CaptureEnd::Failed;
    if (!summary.error) {
      summary.error = std::move(error);
    }
  };
  const auto read = [&](const std::function<void(const CaptureStatistics&)>& reader) {
    Result<CaptureStatistics> statistics = read_statistics(source, time, options);
    if (!statistics) {
      note(std::move(statistics).error());
      return;
    }
    summary.totals = statistics->totals;
    if (reader) {
      reader(*statistics);
    }
  };
  constexpr std::chrono::seconds kInterval{1};
  for (auto next = steady_clock::now() + kInterval; !summary.error; next += kInterval) {
    Result<bool> is_stopped = wait_for_signal(options.signal_fd, next);
    if (!is_stopped) {
      note(std::move(is_stopped).error());
    } else if (*is_stopped) {
      break;
    } else {
      read(options.readers.once_a_second);
    }
  }
  if (Result<void> detached = source.detach(); !detached) {
    note(std::move(detached).error());
  }
  read(options.readers.at_the_end);
  return summary;
}

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/count_loop.h"

#include <fmt/core.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <optional>

#include "base/text.h"

namespace xdpcap {
namespace {

using std::chrono::steady_clock;

/// Waits until `when`, or until somebody wants an end.
Result<std::optional<CaptureWatch::End>> wait_for_end(const CountLoopOptions& options,
                                                      steady_clock::time_point when) {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(when - steady_clock::now()).count();
    if (left <= 0) {
      return std::nullopt;
    }
    const int watch_fd = options.watch != nullptr ? options.watch->fd() : -1;
    std::array<pollfd, 2> waits{{{.fd = options.signal_fd, .events = POLLIN, .revents = 0},
                                 {.fd = watch_fd, .events = POLLIN, .revents = 0}}};
    const int ready = ::poll(waits.data(), waits.size(), static_cast<int>(left));
    if (ready < 0 && errno != EINTR) {
      return fail(Errc::Kernel, fmt::format("wait while counting: poll: {}", errno_text(errno)),
                  errno);
    }
    if (ready > 0 && waits[0].revents != 0) {
      return CaptureWatch::End{};
    }
    if (ready > 0 && waits[1].revents != 0) {
      if (std::optional<CaptureWatch::End> end = options.watch->look()) {
        return end;
      }
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
    summary.are_totals_known = statistics.has_value();
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
    Result<std::optional<CaptureWatch::End>> end = wait_for_end(options, next);
    if (!end) {
      note(std::move(end).error());
    } else if (*end) {
      if ((*end)->error) {
        note(*std::move((*end)->error));
      }
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

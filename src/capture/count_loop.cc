// SPDX-License-Identifier: BSD-3-Clause

#include "capture/count_loop.h"

#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <cstring>

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

}  // namespace

CaptureSummary run_count(CaptureSource& source, const CountLoopOptions& options) {
  CaptureSummary summary;
  const auto note = [&](Error error) {
    summary.end = CaptureEnd::Failed;
    if (!summary.error) {
      summary.error = std::move(error);
    }
  };
  constexpr std::chrono::seconds kInterval{1};
  for (auto next = steady_clock::now() + kInterval; !summary.error; next += kInterval) {
    const Result<bool> is_stopped = wait_for_signal(options.signal_fd, next);
    if (!is_stopped) {
      note(is_stopped.error());
    } else if (*is_stopped) {
      break;
    } else if (Result<ActionCounters> counters = source.counters(); !counters) {
      note(std::move(counters).error());
    } else if (options.status) {
      options.status(*counters);
    }
  }
  if (Result<void> detached = source.detach(); !detached) {
    note(std::move(detached).error());
  }
  Result<ActionCounters> counters = source.counters();
  if (!counters) {
    note(std::move(counters).error());
    return summary;
  }
  for (const Action action : options.actions) {
    const abi::Counters& counted = (*counters)[index(action)];
    summary.totals[index(action)] = {.received = counted.received, .matched = counted.matched};
  }
  return summary;
}

}  // namespace xdpcap

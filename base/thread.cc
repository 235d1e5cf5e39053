// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: xdpcap/tests/kernel/resource_faults/call_errors_test.cc.

#include "base/thread.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/text.h"

namespace xdpcap {

cbpfc::Result<std::thread> start_thread(const std::string& what, std::function<void()> body) {
  try {
    return std::thread(std::move(body));
  } catch (const std::system_error& error) {
    const int error_number = error.code().value();
    return cbpfc::fail(
        cbpfc::Errc::Kernel,
        fmt::format(
            "start the thread that is to {}: {}{}", what, error.code().message(),
            error_number == EAGAIN
                ? "; a limit is reached, of processes (ulimit -u) or of address space (ulimit -v)"
                : ""),
        error_number);
  }
}

}  // namespace xdpcap

namespace xdpcap::cli {

cbpfc::Result<StopEvent> StopEvent::create() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC));
  if (!event.is_open()) {
    return cbpfc::fail(cbpfc::Errc::Kernel, fmt::format("open an eventfd: {}", errno_text(errno)),
                       errno);
  }
  return StopEvent(std::move(event));
}

void StopEvent::stop() const {
  constexpr int kTries = 10;  // otherwise the waiting thread never wakes
  for (int i = 0; i < kTries && ::eventfd_write(event_.get(), 1) != 0; ++i) {
  }
}

StopEvent::Woken StopEvent::wait(int fd, short events, std::chrono::milliseconds most) const {
  std::array<pollfd, 2> waits{{{.fd = event_.get(), .events = POLLIN, .revents = 0},
                               {.fd = fd, .events = events, .revents = 0}}};
  int ready = 0;
  do {  // a signal starts the time anew; those that matter here are blocked
    ready = ::poll(waits.data(), waits.size(), static_cast<int>(most.count()));
  } while (ready < 0 && errno == EINTR);
  if (ready < 0 || waits[0].revents != 0) {
    return Woken::Stopped;
  }
  return ready > 0 ? Woken::Ready : Woken::Late;
}

}  // namespace xdpcap::cli

// SPDX-License-Identifier: BSD-3-Clause

#include "base/stop_event.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace xdpcap::cli {

cbpfc::Result<StopEvent> StopEvent::create() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC));
  if (!event.is_open()) {
    return cbpfc::fail(cbpfc::Errc::Kernel,
                       fmt::format("open an eventfd: {}", std::strerror(errno)), errno);
  }
  return StopEvent(std::move(event));
}

void StopEvent::stop() const {
  constexpr int kTries = 10;  // who waits would wait for ever
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

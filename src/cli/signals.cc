// SPDX-License-Identifier: BSD-3-Clause

#include "cli/signals.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace xdpcap::cli {

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Result;

namespace {

bool is_ignored(int signal) {
  struct sigaction current{};
  return ::sigaction(signal, nullptr, &current) == 0 && current.sa_handler == SIG_IGN;
}

}  // namespace

void heed_interrupts() {
  ::signal(SIGINT, SIG_DFL);
}

Result<StopSignals> StopSignals::block() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  if (!is_ignored(SIGHUP)) {
    sigaddset(&stops, SIGHUP);
  }
  if (::sigprocmask(SIG_BLOCK, &stops, nullptr) != 0) {
    return fail(Errc::Kernel, fmt::format("block signals: {}", std::strerror(errno)), errno);
  }
  const int fd = ::signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) {
    return fail(Errc::Kernel, fmt::format("open a signalfd: {}", std::strerror(errno)), errno);
  }
  return StopSignals(UniqueFd(fd));
}

bool StopSignals::wait(std::chrono::milliseconds most) const {
  pollfd wait{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&wait, 1, static_cast<int>(most.count())) > 0;
}

}  // namespace xdpcap::cli

// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/command/signals.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/text.h"

namespace xdpcap::cli {

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Result;

namespace {

bool is_ignored(int signal) {
  struct sigaction current{};
  return ::sigaction(signal, nullptr, &current) == 0 && current.sa_handler == SIG_IGN;
}

/// Blocks `signals`; the descriptor they arrive at.
Result<UniqueFd> open_signals(const sigset_t& signals) {
  if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) {
    return fail(Errc::Kernel, fmt::format("block signals: {}", errno_text(errno)), errno);
  }
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.is_open()) {
    return fail(Errc::Kernel, fmt::format("open a signalfd: {}", errno_text(errno)), errno);
  }
  return fd;
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
  return StopSignals(TRY(open_signals(stops)));
}

bool StopSignals::wait(std::chrono::milliseconds most) const {
  pollfd wait{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&wait, 1, static_cast<int>(most.count())) > 0;
}

Result<RequestSignals> RequestSignals::block(std::initializer_list<int> signals) {
  sigset_t requests;
  sigemptyset(&requests);
  for (const int signal : signals) {
    sigaddset(&requests, signal);
  }
  return RequestSignals(TRY(open_signals(requests)));
}

std::optional<int> RequestSignals::take() const {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof(info)) != sizeof(info)) {
    return std::nullopt;
  }
  return static_cast<int>(info.ssi_signo);
}

}  // namespace xdpcap::cli

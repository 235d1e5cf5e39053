// SPDX-License-Identifier: BSD-3-Clause

#include "bench/support/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>

#include "bench/support/placement.h"
#include "xdpcap/kernel/errors.h"

namespace bench {
namespace {

using cbpfc::Errc;
using cbpfc::Result;
using xdpcap::UniqueFd;

constexpr int kNoSuchCommand = 127;

std::unexpected<cbpfc::Error> process_failure(const std::string& attempt) {
  return cbpfc::fail(Errc::Kernel, attempt + ": " + xdpcap::errno_text(errno), errno);
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

/// In the child, before it becomes what it is to be.
void settle(const Placement& placement, int text_fd, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const bool is_settled = ::getppid() == parent && ::dup2(nothing, STDIN_FILENO) >= 0 &&
                          ::dup2(text_fd, STDOUT_FILENO) >= 0 &&
                          ::dup2(text_fd, STDERR_FILENO) >= 0 &&
                          (placement.network_namespace_fd < 0 ||
                           ::setns(placement.network_namespace_fd, CLONE_NEWNET) == 0) &&
                          (placement.off_cpu < 0 || stay_off_cpu(placement.off_cpu).has_value());
  if (!is_settled) {
    ::_exit(kNoSuchCommand);
  }
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const std::vector<std::string>& command,
                                         const Placement& placement) {
  std::vector<char*> arguments;
  for (const std::string& word : command) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  const auto become = [&arguments] {
    ::execvp(arguments[0], arguments.data());
    return kNoSuchCommand;
  };
  return start(command.front(), become, placement);
}

Result<ChildProcess> ChildProcess::start(const std::string& name,
                                         const std::function<int()>& function,
                                         const Placement& placement) {
  ChildProcess child;
  child.name_ = name;
  child.text_.reset(::memfd_create("bench_child", MFD_CLOEXEC));
  if (!child.text_.is_open() || ::fcntl(child.text_.get(), F_SETFL, O_APPEND) != 0) {
    return process_failure("start " + name + ": memory for what it prints");
  }
  const pid_t parent = ::getpid();
  child.pid_ = ::fork();
  if (child.pid_ == 0) {
    settle(placement, child.text_.get(), parent);
    ::_exit(function());
  }
  if (child.pid_ < 0) {
    return process_failure("start " + name);
  }
  child.pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid_, 0)));
  if (!child.pidfd_.is_open()) {
    return process_failure("start " + name + ": a descriptor of the process");
  }
  return child;
}

ChildProcess::~ChildProcess() {
  if (pidfd_.is_open() && !end_) {
    signal(SIGKILL);
    reap(std::chrono::seconds(10));
  }
}

void ChildProcess::signal(int number) const {
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

bool ChildProcess::reap(std::chrono::milliseconds most) {
  pollfd ending{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  if (end_ || ::poll(&ending, 1, static_cast<int>(most.count())) <= 0) {
    return end_.has_value();
  }
  int status = 0;
  rusage usage{};
  if (::wait4(pid_, &status, 0, &usage) != pid_) {
    return false;
  }
  constexpr std::uint64_t kKib = 1024;
  end_ = {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
          .cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime),
          .most_resident_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * kKib};
  return true;
}

Result<ChildEnd> ChildProcess::wait(std::chrono::milliseconds most) {
  if (!reap(most)) {
    return cbpfc::fail(Errc::Kernel,
                       fmt::format("wait for {}: it still runs after {} ms; it says: {}", name_,
                                   most.count(), text()));
  }
  return *end_;
}

bool ChildProcess::is_running() {
  return !reap(std::chrono::milliseconds(0));
}

Result<double> ChildProcess::cpu_seconds() const {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
    return process_failure("ask for the processor time of " + name_);
  }
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

std::string ChildProcess::text() const {
  std::string text;
  std::array<char, 4096> piece{};
  while (true) {
    const ssize_t got =
        ::pread(text_.get(), piece.data(), piece.size(), static_cast<off_t>(text.size()));
    if (got <= 0) {
      return text;
    }
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

Result<void> run_command(const std::vector<std::string>& command) {
  ChildProcess child = TRY(ChildProcess::start(command, {}));
  const ChildEnd end = TRY(child.wait(std::chrono::seconds(10)));
  if (end.exit_code != 0) {
    return cbpfc::fail(
        Errc::Kernel,
        fmt::format("run `{}`: {}", fmt::join(command, " "),
                    end.exit_code == kNoSuchCommand ? "there is no such command" : child.text()));
  }
  return {};
}

}  // namespace bench

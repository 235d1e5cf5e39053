// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/end_to_end/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace xdpcap::test {
namespace {

constexpr int kNoSuchCommand = 127;

UniqueFd memory_file(const char* name) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd.is_open()) {
    give_up("memfd_create");
  }
  return fd;
}

std::string read_all(const UniqueFd& fd) {
  std::string text;
  std::array<char, 65536> piece{};
  while (fd.is_open()) {
    const ssize_t got =
        ::pread(fd.get(), piece.data(), piece.size(), static_cast<off_t>(text.size()));
    if (got <= 0) {
      break;
    }
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  return text;
}

// In the child: nothing but system calls from here to the command.
[[noreturn]] void become(char* const* arguments, int in, int out, int err, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) {
    ::_exit(kNoSuchCommand);
  }
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::execvp(arguments[0], arguments);
  ::_exit(kNoSuchCommand);
}

}  // namespace

void give_up(const std::string& what) {
  std::perror(what.c_str());
  std::exit(1);
}

Process::Process(const std::vector<std::string>& command, const Streams& streams) {
  std::vector<char*> arguments;
  for (const std::string& word : command) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  const UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (streams.out < 0) {
    out_ = memory_file("stdout");
  }
  if (streams.err < 0) {
    err_ = memory_file("stderr");
  }
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) {
    give_up("fork");
  }
  if (pid_ == 0) {
    become(arguments.data(), streams.in < 0 ? nothing.get() : streams.in,
           streams.out < 0 ? out_.get() : streams.out, streams.err < 0 ? err_.get() : streams.err,
           parent);
  }
  pidfd_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!pidfd_.is_open()) {
    give_up("pidfd_open");
  }
}

Process::~Process() {
  if (!ended_.is_over) {
    signal(SIGKILL);
    wait();
  }
}

void Process::signal(int number) const {
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

Ended Process::wait(Millis most) {
  pollfd ending{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  if (ended_.is_over || ::poll(&ending, 1, static_cast<int>(most.count()) * patience()) <= 0) {
    return ended_;
  }
  int status = 0;
  if (::waitpid(pid_, &status, 0) != pid_) {
    give_up("waitpid");
  }
  ended_ = {.is_over = true,
            .exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0};
  return ended_;
}

std::string Process::output() const {
  return read_all(out_);
}

std::string Process::errors() const {
  return read_all(err_);
}

Outcome run(const std::vector<std::string>& command) {
  Process process(command);
  const Ended end = process.wait(Millis(20'000));
  return {.end = end, .output = process.output(), .errors = process.errors()};
}

Pipe::Pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    give_up("pipe2");
  }
  reader = UniqueFd(ends[0]);
  writer = UniqueFd(ends[1]);
}

}  // namespace xdpcap::test

// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/attacks/tracee.h"

#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <string>

#include "base/testing/die.h"

namespace xdpcap::test {

#ifdef __x86_64__

namespace {

constexpr std::uint64_t kRedZoneBytes = 128;
constexpr std::uint64_t kSyscallInstructionBytes = 2;
constexpr int kSyscallStop = SIGTRAP | 0x80;

user_regs_struct registers(pid_t pid) {
  user_regs_struct values{};
  if (::ptrace(PTRACE_GETREGS, pid, nullptr, &values) != 0) {
    die("read a process's registers");
  }
  return values;
}

void set_registers(pid_t pid, const user_regs_struct& values) {
  if (::ptrace(PTRACE_SETREGS, pid, nullptr, &values) != 0) {
    die("write a process's registers");
  }
}

}  // namespace

Tracee::Tracee(pid_t pid) : pid_(pid) {
  if (::ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_TRACESYSGOOD) != 0 ||
      ::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr) != 0) {
    die("take a process over");
  }
  int status = 0;
  if (::waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status) || !go_to_stop()) {
    die("stop a process at a system call");
  }
  stack_ = registers(pid).rsp - kRedZoneBytes;
}

Tracee::~Tracee() {
  if (is_alive_) {
    ::ptrace(PTRACE_DETACH, pid_, nullptr, nullptr);
  }
}

// To the next entry or exit of a system call.  False: it has been killed; it can still be waited for.
bool Tracee::go_to_stop() {
  for (std::uint64_t signal = 0;;) {
    if (::ptrace(PTRACE_SYSCALL, pid_, nullptr, signal) != 0) {
      break;
    }
    siginfo_t ended{};
    int status = 0;
    if (::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WSTOPPED | WNOWAIT | __WALL) !=
            0 ||
        (ended.si_code != CLD_TRAPPED && ended.si_code != CLD_STOPPED)) {
      break;
    }
    if (::waitpid(pid_, &status, __WALL) != pid_) {
      break;
    }
    if (WSTOPSIG(status) == kSyscallStop) {
      return true;
    }
    signal = status >> 16 == 0 ? static_cast<std::uint64_t>(WSTOPSIG(status)) : 0;
  }
  is_alive_ = false;
  return false;
}

std::uint64_t Tracee::put(std::string_view bytes) {
  constexpr std::uint64_t kAlignment = 64;
  std::string copy(bytes);
  copy.push_back('\0');
  used_bytes_ += copy.size();
  const std::uint64_t at = (stack_ - used_bytes_) / kAlignment * kAlignment;
  used_bytes_ = stack_ - at;
  const iovec ours{.iov_base = copy.data(), .iov_len = copy.size()};
  const iovec its{.iov_base = reinterpret_cast<void*>(at), .iov_len = copy.size()};
  if (is_alive_ &&
      ::process_vm_writev(pid_, &ours, 1, &its, 1, 0) != static_cast<ssize_t>(copy.size())) {
    die("write a process's memory");
  }
  return at;
}

std::optional<std::int64_t> Tracee::call(long number, const Arguments& arguments) {
  if (!is_alive_) {
    return std::nullopt;
  }
  const user_regs_struct own = registers(pid_);
  user_regs_struct other = own;
  other.orig_rax = static_cast<unsigned long long>(number);
  other.rdi = arguments[0];
  other.rsi = arguments[1];
  other.rdx = arguments[2];
  other.r10 = arguments[3];
  other.r8 = arguments[4];
  other.r9 = arguments[5];
  set_registers(pid_, other);
  if (!go_to_stop()) {
    return std::nullopt;
  }
  const auto result = static_cast<std::int64_t>(registers(pid_).rax);
  user_regs_struct again = own;
  again.rip -= kSyscallInstructionBytes;
  again.rax = own.orig_rax;
  set_registers(pid_, again);
  return go_to_stop() ? std::optional(result) : std::nullopt;
}

#else

Tracee::Tracee(pid_t pid) : pid_(pid) {
  die("processes are taken over on x86-64 only");
}
Tracee::~Tracee() = default;
bool Tracee::go_to_stop() {
  return false;
}
std::uint64_t Tracee::put(std::string_view /*bytes*/) {
  return stack_;
}
std::optional<std::int64_t> Tracee::call(long /*number*/, const Arguments& /*arguments*/) {
  return std::nullopt;
}

#endif

}  // namespace xdpcap::test

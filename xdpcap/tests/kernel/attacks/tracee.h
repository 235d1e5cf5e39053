// SPDX-License-Identifier: BSD-3-Clause
//
// A process taken over: it makes the system calls that the test chooses, with its own descriptors, privileges and seccomp filter.
//
//     Tracee tracee(pid);
//     const std::uint64_t path = tracee.put("/etc/passwd");
//     tracee.call(SYS_openat, {AT_FDCWD, path, O_RDONLY});     // -EPERM, or nullopt: the kernel killed it for the attempt
//
// The process is stopped at the entry of a system call of its own, which is replaced and made again afterwards.  A seccomp filter judges the
// replacement.  Source: Linux v6.18 kernel/entry/common.c syscall_trace_enter(): seccomp comes after ptrace.

#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace xdpcap::test {

/// Only on x86-64 so far: registers.
#ifdef __x86_64__
inline constexpr bool kCanTakeOver = true;
#else
inline constexpr bool kCanTakeOver = false;
#endif

class Tracee {
 public:
  using Arguments = std::array<std::uint64_t, 6>;

  /// Its main thread.  Everything must happen on the thread that made the object.
  explicit Tracee(pid_t pid);
  Tracee(const Tracee&) = delete;
  Tracee& operator=(const Tracee&) = delete;
  /// The process goes on where it was.
  ~Tracee();

  bool is_alive() const { return is_alive_; }
  /// Puts bytes below its stack; where.  The next put() overwrites nothing of earlier ones until forget().
  std::uint64_t put(std::string_view bytes);
  void forget() { used_bytes_ = 0; }
  /// What the call returns, -errno if it fails; nullopt: the process was killed for it, or before.
  std::optional<std::int64_t> call(long number, const Arguments& arguments);

 private:
  bool go_to_stop();

  pid_t pid_;
  std::uint64_t stack_ = 0;
  std::uint64_t used_bytes_ = 0;
  bool is_alive_ = true;
};

}  // namespace xdpcap::test

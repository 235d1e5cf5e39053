// SPDX-License-Identifier: BSD-3-Clause
//
// A filter over system calls: what a process that reads hostile packets may still ask the kernel for.
//
//     TRY(restrict_system_calls(SystemCalls::Capture));    // all that could fail early has been done
//
// A capture that somebody has taken over through a packet should not start programs, open files, load BPF or
// reach other processes.  What is on a profile's list (system_calls.cc) works as before.  Of all else,
//
//     what only an attacker does (execve, ptrace, bpf(BPF_PROG_LOAD) ...)    kills the process
//     clone3                                                                 fails with ENOSYS
//     anything                                                               fails with EPERM
//
// EPERM and not death, because libraries try system calls that they can do without, and a C library of
// tomorrow tries others.  clone3(2) takes its flags from memory, where no filter can look; with ENOSYS the C library
// uses clone(2), of which only threads are let through.
//
// Holds for all threads of the process, those there are and those that come, and cannot be taken back.  It sets
// no_new_privs.  Only the machine's own architecture: a system call through another one (32-bit programs on a
// 64-bit kernel, x32) kills the process.  On an architecture that libseccomp does not know there is no filter, but
// an error.
//
// Built with a sanitizer (-fsanitize=address or thread), the filter has holes for what its runtime calls,
// ptrace(2) among it, and keeps no promise; system_calls.cc says which.
//
// Cost: the kernel runs the filter, a binary tree over the numbers of system calls, once a system call.
// Limits: arguments in memory (paths, BPF attributes) are not looked at.  A capture cannot delete the file it
// created any more (FileSink::remove_if_created()) unless it may open files; what may still fail so early that
// the file should go has to come before.
// Source: seccomp(2), seccomp_rule_add(3); Linux v6.18 kernel/seccomp.c.
// Tested by: tests/unit/privilege/system_calls_test.cc.

#pragma once

#include <cstdint>

#include "kernel/result.h"

namespace xdpcap {

/// Who it is for.
enum class SystemCalls : std::uint8_t {
  Capture,                ///< from rings to an output that is open, and out of the hook
  CaptureThatOpensFiles,  ///< that, and reads filters again, replaces files, serves at a Unix socket
  Guardian,  ///< a helper: looks after BPF objects, listens to Unix sockets and netlink, reads /proc
};

/// Errors: Errc::Kernel, Unsupported (no seccomp filters in this kernel, or not on this architecture).
Result<void> restrict_system_calls(SystemCalls profile);

}  // namespace xdpcap

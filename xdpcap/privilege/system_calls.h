// SPDX-License-Identifier: BSD-3-Clause
//
// A filter over system calls: what a process that reads hostile packets may still ask the kernel for.
//
//     TRY(restrict_system_calls(SystemCalls::Capture));    // all that could fail early has been done
//
// A capture that was taken over by a packet should not start programs, open files, load or change BPF objects, or
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
// Limits: arguments in memory (paths, BPF attributes) are not looked at.  So newfstatat(2), as which the C library calls
// fstat(), is refused: with a path it tells which files exist.  Where there is an open descriptor, file_status() is used
// (base/file_io.h).  A capture with files can find out by opening.
// A capture cannot delete the file it created any more (FileSink::remove_if_created()); what may still fail so early that
// the file should go has to come before.
// Source: seccomp(2), seccomp_rule_add(3); Linux v6.18 kernel/seccomp.c.
// Tested by: xdpcap/tests/privilege/system_calls_test.cc.

#pragma once

#include <cstdint>

#include "base/result.h"

namespace xdpcap {

/// Which process it is for.
enum class SystemCalls : std::uint8_t {
  Capture,  ///< from rings to an output that is open; opens no file, changes no BPF object
  CaptureWithFiles,  ///< that, and reads and replaces files in directories that are open (landlock.h says in which)
  Guardian,  ///< changes hooks, loads programs, pins them; opens directories, no files
};

/// Errors: Errc::Kernel, Unsupported (no seccomp filters in this kernel, or not on this architecture).
Result<void> restrict_system_calls(SystemCalls profile);

/// Whether this build has a sanitizer, whose runtime makes system calls and takes address space of its own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // g++
inline constexpr bool kIsSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)  // clang++
inline constexpr bool kIsSanitized = true;
#else
inline constexpr bool kIsSanitized = false;
#endif
#else
inline constexpr bool kIsSanitized = false;
#endif

}  // namespace xdpcap

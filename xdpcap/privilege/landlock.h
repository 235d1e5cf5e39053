// SPDX-License-Identifier: BSD-3-Clause
//
// Landlock: which files a thread may still reach by a path, whatever its user may.
//
//     const AllowedPath allowed[] = {{.fd = filter_directory, .right = PathRight::ReadFiles}};
//     const bool is_in_force = TRY(restrict_paths(allowed));       // false: the kernel has no Landlock
//
// A seccomp filter (system_calls.h) sees that a file is opened, but not which.  A capture that reads its filter again has to open files;
// taken over by a packet, it would read every file of its user.  Landlock leaves it the directories that are named, and all below
// them.  What is open stays open and can be used as before.
//
// With Linux 6.7, TCP ports cannot be bound or connected to; with 6.12, abstract Unix sockets and processes outside cannot be reached.
//
// Of the calling thread, and of threads that it makes afterwards: so it has to come before the first.  Cannot be taken back.
//
// Limits: asking whether a path exists, its status and its mode are not covered; restrict_system_calls() refuses those.
// Source: landlock(7), Linux v6.18 Documentation/userspace-api/landlock.rst.
// Tested by: xdpcap/tests/privilege/landlock_test.cc.

#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"

namespace xdpcap {

enum class PathRight : std::uint8_t {
  ReadFiles,     ///< open files for reading
  ReplaceFiles,  ///< create, write, rename and remove regular files
  Pin,  ///< make and remove directories and pins, and list directories, in a BPF file system
};

/// A directory and all below it, or a file.
/// Ownership: borrows the descriptor, which may be one of O_PATH.
struct AllowedPath {
  int fd = -1;
  PathRight right = PathRight::ReadFiles;
};

/// Whether it is in force: false where the kernel was built or started without Landlock.  Sets no_new_privs.
/// Errors: Errc::Kernel.
Result<bool> restrict_paths(std::span<const AllowedPath> allowed);

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace xdpcap {

/// What fstat() does, by fstat(2).  That of the C library may be newfstatat(2), which takes a path, too, and which a process that is
/// restricted may not call (xdpcap/privilege/system_calls.h).
/// Returns: whether there is such a descriptor; if not, errno says why.
inline bool file_status(int fd, struct stat& status) {
  // On 64-bit machines this structure is the kernel's.
  static_assert(sizeof(long) == 8);
  return ::syscall(SYS_fstat, fd, &status) == 0;
}

}  // namespace xdpcap

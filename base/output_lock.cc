// SPDX-License-Identifier: BSD-3-Clause

#include "base/output_lock.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/file_io.h"

namespace xdpcap {
namespace {

constexpr off_t kLockedByte = off_t{1} << 62;

struct flock write_lock() {
  struct flock range{};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = kLockedByte;
  range.l_len = 1;
  return range;
}

bool is_device(int fd) {
  struct stat status{};
  return file_status(fd, status) && (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode));
}

/// The process that has the lock, in words; empty if none has it.
std::string holder_of(int fd) {
  struct flock range = write_lock();
  if (::fcntl(fd, F_GETLK, &range) != 0 || range.l_type == F_UNLCK) {
    return {};
  }
  return range.l_pid > 0 ? fmt::format("process {}", range.l_pid) : "another process";
}

}  // namespace

cbpfc::Result<bool> lock_output(int fd, const std::string& name) {
  if (is_device(fd)) {
    return true;
  }
  struct flock range = write_lock();
  if (::fcntl(fd, F_SETLK, &range) == 0) {
    return true;
  }
  const int error = errno;
  // EACCES is also what security modules say that allow no locks.
  const std::string holder = error == EAGAIN || error == EACCES ? holder_of(fd) : std::string();
  if (error == EAGAIN || !holder.empty()) {
    return cbpfc::fail(cbpfc::Errc::Busy,
                       fmt::format("write to {}: {} is writing to it already; choose another "
                                   "output, or end that first",
                                   name, holder.empty() ? "another process" : holder));
  }
  return error == EBADF;  // not open for writing: the first write says so
}

}  // namespace xdpcap

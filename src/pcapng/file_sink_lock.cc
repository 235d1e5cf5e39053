// SPDX-License-Identifier: BSD-3-Clause
//
// FileSink: keeping a second capture out of the output.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "pcapng/file_sink.h"

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

}  // namespace

Result<bool> FileSink::lock() {
  if (!fd_.is_open() || is_device_) {
    return true;
  }
  struct flock range = write_lock();
  if (::fcntl(fd(), F_SETLK, &range) != 0) {
    if (errno == EACCES || errno == EAGAIN) {
      return locked_error();
    }
    return errno == EBADF;  // not open for writing: the first write says so
  }
  // The capture that created the file may have removed it, for it could not begin, between our open() and here.
  struct stat status{};
  if (had_name_ && ::fstat(fd(), &status) == 0 && status.st_nlink == 0) {
    return fail(
        Errc::Busy,
        fmt::format("write to {}: it was deleted the moment it was opened; start again", path_));
  }
  return true;
}

std::unexpected<Error> FileSink::locked_error() const {
  struct flock holder = write_lock();
  const bool is_known =
      ::fcntl(fd(), F_GETLK, &holder) == 0 && holder.l_type != F_UNLCK && holder.l_pid > 0;
  return fail(
      Errc::Busy,
      fmt::format(
          "write to {}: {} is writing to it already; choose another output, or end that first",
          display_name(), is_known ? fmt::format("process {}", holder.l_pid) : "another process"));
}

}  // namespace xdpcap

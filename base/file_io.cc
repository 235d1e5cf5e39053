// SPDX-License-Identifier: BSD-3-Clause

#include "base/file_io.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace xdpcap {

bool file_status(int fd, struct stat& status) {
  // On 64-bit machines this structure is the kernel's.
  static_assert(sizeof(long) == 8);
  return ::syscall(SYS_fstat, fd, &status) == 0;
}

int write_all(int fd, std::span<const std::uint8_t> bytes, std::size_t& done_bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written > 0) {
      done_bytes += static_cast<std::size_t>(written);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    } else if (written == 0 || errno != EINTR) {
      return written == 0 ? EIO : errno;
    }
  }
  return 0;
}

int write_all(int fd, std::string_view text) {
  std::size_t done_bytes = 0;
  // Bytes of a character type may be looked at as bytes of another.
  return write_all(fd, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()},
                   done_bytes);
}

bool is_refused_by_directory(int error_number) {
  return error_number == EACCES || error_number == EPERM || error_number == EROFS;
}

}  // namespace xdpcap

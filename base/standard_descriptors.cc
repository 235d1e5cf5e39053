// SPDX-License-Identifier: BSD-3-Clause

#include "base/standard_descriptors.h"

#include <fcntl.h>
#include <unistd.h>

namespace xdpcap::cli {

void occupy_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) {
      // open() takes the lowest free number, which is this one.
      [[maybe_unused]] const int occupied = ::open("/dev/null", O_RDONLY);
    }
  }
}

}  // namespace xdpcap::cli

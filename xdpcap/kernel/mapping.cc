// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/mapping.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace xdpcap {

void Unmap::operator()(void* address) const {
  ::munmap(address, length_bytes);
}

Result<Mapping> map_pages(int fd, std::size_t length_bytes, int protection,
                          std::size_t offset_bytes) {
  void* address =
      ::mmap(nullptr, length_bytes, protection, MAP_SHARED, fd, static_cast<off_t>(offset_bytes));
  if (address == MAP_FAILED) {
    return fail(Errc::Kernel,
                fmt::format("map {} bytes of a BPF map: {}", length_bytes, std::strerror(errno)),
                errno);
  }
  return Mapping(address, Unmap{length_bytes});
}

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause

#include "base/random.h"

#include <fmt/core.h>
#include <sys/random.h>

#include <cerrno>
#include <cstdint>

#include "base/text.h"

namespace xdpcap {

Result<void> fill_random(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t filled = ::getrandom(bytes.data(), bytes.size(), 0);
    if (filled < 0 && errno == EINTR) {
      continue;
    }
    if (filled <= 0) {
      const int error_number = errno;
      return fail(Errc::Kernel,
                  fmt::format("get {} random bytes from the kernel: getrandom: {}", bytes.size(),
                              errno_text(error_number)),
                  error_number);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(filled));
  }
  return {};
}

Result<std::string> random_digits() {
  std::uint64_t number = 0;
  TRY(fill_random(std::as_writable_bytes(std::span(&number, 1))));
  return fmt::format("{:016x}", number);
}

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause

#include "bench/support/write_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace bench {

cbpfc::Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) {
    return cbpfc::fail(cbpfc::Errc::Io, fmt::format("write {}: {}", path, std::strerror(errno)),
                       errno);
  }
  return {};
}

}  // namespace bench

// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <sys/un.h>

#include <cstring>
#include <optional>
#include <string>

namespace xdpcap {

/// The address of a socket in the file system.  nullopt: the path is empty, or too long for one (107 bytes).
inline std::optional<sockaddr_un> socket_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return std::nullopt;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace xdpcap

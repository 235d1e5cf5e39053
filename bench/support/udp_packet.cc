// SPDX-License-Identifier: BSD-3-Clause

#include "bench/support/udp_packet.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace bench {

std::vector<std::uint8_t> udp_packet(std::size_t size_bytes, std::uint16_t port) {
  constexpr std::size_t kEthernetBytes = 14;
  constexpr std::size_t kIpBytes = 20;
  assert(size_bytes >= kEthernetBytes + kIpBytes + 8);
  std::vector<std::uint8_t> packet = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45};
  packet.resize(size_bytes);
  const auto put = [&packet](std::size_t at, std::size_t value) {
    packet[at] = static_cast<std::uint8_t>(value >> 8U);
    packet[at + 1] = static_cast<std::uint8_t>(value);
  };
  put(16, size_bytes - kEthernetBytes);
  packet[22] = 64;  // time to live
  packet[23] = 17;  // UDP
  std::ranges::copy(std::array<std::uint8_t, 8>{192, 0, 2, 1, 192, 0, 2, 2}, packet.begin() + 26);
  put(34, 1);
  put(36, port);
  put(38, size_bytes - kEthernetBytes - kIpBytes);
  return packet;
}

}  // namespace bench

// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/generators/chain_maker.h"

#include <algorithm>
#include <array>

namespace differential {
namespace {

constexpr std::uint8_t kHopByHop = 0;
constexpr std::uint8_t kAuthentication = 51;
constexpr std::size_t kEthernet = 14;
constexpr std::size_t kIpv6 = 40;

Packet ipv6(std::size_t length, std::uint8_t next) {
  Packet packet(length);
  packet[12] = 0x86;
  packet[13] = 0xdd;
  packet[14] = 0x60;
  packet[20] = next;
  return packet;
}

}  // namespace

std::uint8_t ChainMaker::next_header() {
  constexpr std::array<std::uint8_t, 12> kHeaders = {0, 0, 43, 44, 60, 60, 51, 51, 6, 17, 59, 51};
  return one_in(16) ? static_cast<std::uint8_t>(below(256)) : kHeaders[below(kHeaders.size())];
}

Packet ChainMaker::packet(std::size_t most) {
  Packet packet = ipv6(34 + below(static_cast<std::uint32_t>(most - 34 + 1)), next_header());
  if (one_in(2)) {
    packet[12] = 0x08;
    packet[13] = 0x00;
    packet[14] = static_cast<std::uint8_t>(0x40 | (one_in(3) ? below(16) : 5));
    packet[23] = one_in(2) ? 51 : next_header();
  }
  // Headers at every place one can begin at, so that a chain goes on wherever it leads.
  for (std::size_t at = kEthernet + 12; at + 1 < packet.size(); at += 4) {
    if (at != 22) {  // IPv4's protocol is at 23
      packet[at] = next_header();
      packet[at + 1] = static_cast<std::uint8_t>(one_in(8) ? below(256) : below(6));
    }
  }
  if (one_in(4)) {
    packet.resize(below(static_cast<std::uint32_t>(packet.size()) + 1));
  }
  return packet;
}

Packet longest_chain(std::size_t length, std::uint8_t protocol) {
  Packet packet = ipv6(length, kHopByHop);
  std::size_t last = kEthernet + kIpv6;
  for (std::size_t at = last; at + 8 <= length; at += 8) {
    last = at;
  }
  packet[last] = protocol;
  return packet;
}

Packet longest_way(std::size_t length, std::uint8_t protocol) {
  Packet packet = longest_chain(length, kAuthentication);
  std::size_t end = kEthernet + kIpv6;
  while (packet[end] != kAuthentication) {
    end += 8;
  }
  // The last extension header announces an authentication header 8 bytes on: move that back one place, so
  // that it is inside, and let it lead to 4 * (1 + 2) = 12.
  packet[end] = kHopByHop;
  packet[end - 8] = kAuthentication;
  packet[end + 1] = 1;
  std::size_t last = kEthernet + 12;
  for (std::size_t at = last; at + 2 <= length; at += 8) {
    last = at;
  }
  packet[last] = protocol;
  return packet;
}

Packet endless_chain(std::size_t length) {
  Packet packet = ipv6(length, kAuthentication);
  packet[kEthernet + kIpv6] = kAuthentication;
  packet[kEthernet + kIpv6 + 1] = kIpv6 / 4 - 2;
  return packet;
}

}  // namespace differential

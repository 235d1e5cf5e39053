// SPDX-License-Identifier: BSD-3-Clause
//
// IP packets with chains of headers, which libpcap's "protochain" follows in a loop.
//
// libpcap steps over an IPv6 extension header as RFC 8200 says.  Behind an authentication header it
// continues at 4 * (length + 2) from the network header, wherever that header was; so its loop can go
// back, and can go round for ever.  The packets here do not care what a host would make of them.

#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

#include "verify/differential/engines/engines.h"

namespace differential {

class ChainMaker {
 public:
  explicit ChainMaker(std::uint64_t seed) : random_(seed) {}

  /// An IPv4 or IPv6 packet of up to `most` bytes with a random chain, whole or cut.
  Packet packet(std::size_t most);

 private:
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  std::uint8_t next_header();

  std::mt19937_64 random_;
};

/// IPv6 of `length` bytes: the shortest extension headers to the end, the last followed by `protocol`.
Packet longest_chain(std::size_t length, std::uint8_t protocol);

/// The longest way there is through `length` bytes: extension headers at every other place to the end, an
/// authentication header that leads back to the start, and extension headers at the places between, to
/// `protocol`.
Packet longest_way(std::size_t length, std::uint8_t protocol);

/// IPv6 whose authentication header leads libpcap back to itself.
Packet endless_chain(std::size_t length);

}  // namespace differential

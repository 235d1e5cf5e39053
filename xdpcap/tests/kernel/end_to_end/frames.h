// SPDX-License-Identifier: BSD-3-Clause
//
// Frames that the tests send, and sockets that send and receive them below the network stack.

#pragma once

#include <base/unique_fd.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "xdpcap/tests/kernel/end_to_end/process.h"
#include "xdpcap/tests/kernel/netns.h"

namespace xdpcap::test {

using Bytes = std::vector<std::uint8_t>;

/// Port at which the target of xdpcap/tests/programs takes its orders.
inline constexpr std::uint16_t kOrderPort = 7007;
/// The same, and it changes the packet before.
inline constexpr std::uint16_t kChangedPort = 7008;

struct Ports {
  std::uint16_t source;
  std::uint16_t destination;
};

/// IPv4 from 192.0.2.1 to 192.0.2.2 with a header checksum, without an Ethernet header.
Bytes ipv4(std::uint8_t protocol, std::span<const std::uint8_t> payload);
Bytes udp(const Ports& ports, std::span<const std::uint8_t> payload);
/// A TCP header with ACK and PSH, and the payload.
Bytes tcp(const Ports& ports, std::span<const std::uint8_t> payload);
Bytes icmp_echo(std::uint16_t sequence);
/// A DNS query for `example`, of type A.
Bytes dns_query(std::uint16_t id);

/// `payload` behind an Ethernet header.
Bytes ethernet(std::uint16_t ether_type, std::span<const std::uint8_t> payload);
/// Ethernet, IPv4, UDP.
Bytes udp_frame(const Ports& ports, std::span<const std::uint8_t> payload);

/// A UDP frame that asks the target for an action, and carries a number.
/// Units: `size_bytes` of the whole frame, from 60 on.
Bytes order_frame(std::uint32_t action, std::uint32_t number, std::size_t size_bytes = 60);

/// A frame of a protocol that nobody speaks; its bytes depend on the number and on their place.
/// Units: `size_bytes` of the whole frame, from 18 on.
Bytes numbered_frame(std::uint32_t number, std::size_t size_bytes);

/// An AF_PACKET socket on one interface.  It receives what arrives there, not what leaves.
class PacketSocket {
 public:
  PacketSocket(const NetNamespace& where, const std::string& interface);

  void send(const Bytes& frame) const;
  void send(const std::vector<Bytes>& frames) const;
  /// Receives until there are `count` frames, `most` at most.
  std::vector<Bytes> receive(std::size_t count, Millis most = Millis(3'000)) const;
  /// What has arrived by now.
  std::vector<Bytes> receive_rest() const { return receive(SIZE_MAX, Millis(0)); }

 private:
  UniqueFd fd_;
};

}  // namespace xdpcap::test

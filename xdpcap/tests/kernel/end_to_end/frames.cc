// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/end_to_end/frames.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace xdpcap::test {
namespace {

constexpr std::size_t kEthernetBytes = 14;
constexpr std::size_t kUdpBytes = 8;
constexpr std::uint16_t kExperimentalType = 0x88b5;

void append_16(Bytes& bytes, std::size_t value) {
  bytes.push_back(static_cast<std::uint8_t>(value >> 8U));
  bytes.push_back(static_cast<std::uint8_t>(value));
}

void append_32(Bytes& bytes, std::uint32_t value) {
  append_16(bytes, value >> 16U);
  append_16(bytes, value & 0xffffU);
}

void append(Bytes& bytes, std::span<const std::uint8_t> more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

// RFC 1071 over an even number of bytes.
std::uint16_t checksum(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum += static_cast<std::uint32_t>(bytes[i] << 8U) + bytes[i + 1];
  }
  sum = (sum & 0xffffU) + (sum >> 16U);
  sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

void store_16(Bytes& bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8U);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

// Bytes that differ between numbers and between places.
void append_pattern(Bytes& bytes, std::uint32_t number, std::size_t until_bytes) {
  while (bytes.size() < until_bytes) {
    const std::size_t i = bytes.size();
    bytes.push_back(static_cast<std::uint8_t>(i * 7 + i / 256 + number * 31));
  }
}

}  // namespace

Bytes ipv4(std::uint8_t protocol, std::span<const std::uint8_t> payload) {
  Bytes packet = {0x45, 0};
  append_16(packet, 20 + payload.size());
  append(packet, std::array<std::uint8_t, 6>{0x12, 0x34, 0, 0, 64, protocol});
  append(packet, std::array<std::uint8_t, 10>{0, 0, 192, 0, 2, 1, 192, 0, 2, 2});
  store_16(packet, 10, checksum(packet));
  append(packet, payload);
  return packet;
}

Bytes udp(const Ports& ports, std::span<const std::uint8_t> payload) {
  Bytes datagram;
  append_16(datagram, ports.source);
  append_16(datagram, ports.destination);
  append_16(datagram, kUdpBytes + payload.size());
  append_16(datagram, 0);  // no checksum
  append(datagram, payload);
  return datagram;
}

Bytes tcp(const Ports& ports, std::span<const std::uint8_t> payload) {
  Bytes segment;
  append_16(segment, ports.source);
  append_16(segment, ports.destination);
  append_32(segment, 1000);
  append_32(segment, 2000);
  append(segment, std::array<std::uint8_t, 8>{0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0});
  append(segment, payload);
  return segment;
}

Bytes icmp_echo(std::uint16_t sequence) {
  Bytes message = {8, 0, 0, 0, 0, 1};
  append_16(message, sequence);
  append_pattern(message, sequence, 40);
  store_16(message, 2, checksum(message));
  return message;
}

Bytes dns_query(std::uint16_t id) {
  Bytes message;
  append_16(message, id);
  append(message, std::array<std::uint8_t, 10>{1, 0, 0, 1, 0, 0, 0, 0, 0, 0});
  append(message, std::array<std::uint8_t, 9>{7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0});
  append(message, std::array<std::uint8_t, 4>{0, 1, 0, 1});
  return message;
}

Bytes ethernet(std::uint16_t ether_type, std::span<const std::uint8_t> payload) {
  Bytes frame = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
  append_16(frame, ether_type);
  append(frame, payload);
  return frame;
}

Bytes udp_frame(const Ports& ports, std::span<const std::uint8_t> payload) {
  return ethernet(ETH_P_IP, ipv4(IPPROTO_UDP, udp(ports, payload)));
}

Bytes order_frame(std::uint32_t action, std::uint32_t number, std::size_t size_bytes) {
  constexpr std::size_t kHeadersBytes = kEthernetBytes + 20 + kUdpBytes;
  Bytes payload = {static_cast<std::uint8_t>('0' + action)};
  append_32(payload, number);
  append_pattern(payload, number, size_bytes - kHeadersBytes);
  return udp_frame({.source = 1, .destination = kOrderPort}, payload);
}

Bytes numbered_frame(std::uint32_t number, std::size_t size_bytes) {
  Bytes frame = ethernet(kExperimentalType, {});
  append_32(frame, number);
  append_pattern(frame, number, size_bytes);
  return frame;
}

PacketSocket::PacketSocket(const NetNamespace& where, const std::string& interface) {
  constexpr int kReceiveBufferBytes = 32 << 20;
  const auto inside = where.enter();
  fd_ = UniqueFd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  const int on = 1;
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  // Without a queueing discipline the transmit queue is that of the sender's CPU.
  if (!fd_.is_open() ||
      ::setsockopt(fd_.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0 ||
      ::setsockopt(fd_.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) != 0 ||
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBufferBytes,
                   sizeof(kReceiveBufferBytes)) != 0 ||
      ::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    give_up("packet socket on " + interface);
  }
}

void PacketSocket::send(const Bytes& frame) const {
  if (::send(fd_.get(), frame.data(), frame.size(), 0) != static_cast<ssize_t>(frame.size())) {
    give_up("send a frame of " + std::to_string(frame.size()) + " bytes");
  }
}

void PacketSocket::send(const std::vector<Bytes>& frames) const {
  // A veth queue holds 256 frames before it drops; the receiver gets a moment after each half.
  constexpr std::size_t kBatch = 128;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (i != 0 && i % kBatch == 0) {
      pause_briefly();
    }
    send(frames[i]);
  }
}

std::vector<Bytes> PacketSocket::receive(std::size_t count, Millis most) const {
  constexpr std::size_t kMostFrameBytes = 65536;
  std::vector<Bytes> frames;
  Bytes buffer(kMostFrameBytes);
  const auto deadline = std::chrono::steady_clock::now() + most * patience();
  while (frames.size() < count) {
    const auto left =
        std::chrono::duration_cast<Millis>(deadline - std::chrono::steady_clock::now());
    pollfd arrival{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&arrival, 1, static_cast<int>(std::max<Millis::rep>(left.count(), 0))) <= 0) {
      break;
    }
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got >= 0) {
      frames.emplace_back(buffer.begin(), buffer.begin() + got);
    }
  }
  return frames;
}

}  // namespace xdpcap::test

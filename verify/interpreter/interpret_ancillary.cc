// SPDX-License-Identifier: BSD-3-Clause
//
// The meaning of ancillary loads and of loads relative to a header, read off an Ethernet frame as plainly
// as can be.  ancillary_frame.cc says what the meaning is and where it comes from, and does the same in classic
// instructions; the two are written apart so that tests can hold one against the other.
//
// A load outside the packet ends the program, also one that is made here.
// Tested by: interpret_test.cc, ancillary_test.cc, and against packet sockets in
// verify/differential/ancillary_test.cc.

#include <algorithm>
#include <array>

#include "cbpfc/classic/ancillary.h"
#include "verify/interpreter/machine.h"

namespace cbpfc {
namespace {

constexpr std::uint32_t kEthernetBytes = 14;

template <std::size_t N>
bool is_one_of(std::uint32_t value, const std::array<std::uint32_t, N>& values) {
  return std::ranges::find(values, value) != values.end();
}

/// Protocols behind which the kernel's flow dissector finds another protocol.
constexpr std::array<std::uint32_t, 11> kFurtherTypes = {
    0x8100, 0x88a8, 0x8864, 0x88ca, 0x8847, 0x8848, 0x8906, 0x4305, 0x88f7, 0x88fb, 0x892f};
constexpr std::array<std::uint32_t, 4> kTunnels = {4, 41, 47, 137};
constexpr std::array<std::uint32_t, 4> kIpv6Options = {0, 43, 44, 60};

}  // namespace

/// Bytes of the outermost VLAN tag: 4 or 0.
std::uint32_t Machine::tag_bytes() {
  const std::uint32_t type = frame(12, Size::Half);
  return type == 0x8100 || type == 0x88a8 ? 4 : 0;
}

void Machine::load_relative(std::uint32_t offset, Size size) {
  if (!is_header_relative(offset)) {
    a = load(offset, size);
  } else if (!facts.from_frame) {
    refuse(ancillary::unanswered_relative(offset));
  } else if (offset < kNetworkOffset) {
    a = load(offset - kLinkLayerOffset, size);
  } else {
    a = frame(offset - kNetworkOffset + kEthernetBytes + tag_bytes(), size);
  }
}

void Machine::load_header_length(std::uint32_t offset) {
  const std::uint32_t kept = a;
  load_relative(offset, Size::Byte);
  if (!ended()) {
    x = 4 * (a & 0xf);
  }
  a = kept;
}

void Machine::load_ancillary(std::uint32_t offset) {
  const auto given = [&]() -> std::optional<std::uint32_t> {
    switch (offset) {
      case ancillary::kXorX: return a ^ x;
      case ancillary::kIfindex: return facts.ifindex;
      case ancillary::kQueue: return facts.rx_queue;
      case ancillary::kCpu: return facts.cpu;
      case ancillary::kRandom: return facts.random;
      default: break;
    }
    return facts.from_frame && ancillary::at(offset).source == ancillary::Source::Frame
               ? std::optional(ask_frame(offset))
               : std::nullopt;
  }();
  if (given) {
    a = *given;
  } else {
    refuse(ancillary::unanswered(ancillary::at(offset)));
  }
}

std::uint32_t Machine::ask_frame(std::uint32_t offset) {
  switch (offset) {
    case ancillary::kProtocol: return protocol();
    case ancillary::kPacketType: return packet_type();
    case ancillary::kVlanTag: return tag_bytes() != 0 ? frame(14, Size::Half) : 0;
    case ancillary::kVlanTagPresent: return tag_bytes() != 0 ? 1 : 0;
    case ancillary::kVlanTpid: return tag_bytes() != 0 ? frame(12, Size::Half) : 0;
    default: break;
  }
  const std::uint32_t payload = payload_offset();
  return payload != 0 ? payload - left_out() : 0;
}

std::uint32_t Machine::protocol() {
  const std::uint32_t at = 12 + tag_bytes();
  const std::uint32_t type = frame(at, Size::Half);
  if (ended() || type >= 0x600) {
    return type;
  }
  const bool is_802_3 = wire_length_bytes >= at + 4 && frame(at + 2, Size::Half) == 0xffff;
  return is_802_3 ? 1 : 4;
}

std::uint32_t Machine::packet_type() {
  if ((frame(0, Size::Byte) & 1) == 0) {
    return 0;
  }
  return frame(0, Size::Word) == 0xffffffff && frame(4, Size::Half) == 0xffff ? 1 : 2;
}

std::uint32_t Machine::payload_offset() {
  const std::uint32_t tag = tag_bytes();
  const std::uint32_t header = kEthernetBytes + tag;
  const std::uint32_t type = frame(12 + tag, Size::Half);
  if (ended()) {
    return 0;
  }
  if (is_one_of(type, kFurtherTypes)) {
    result = 0;
    return 0;
  }
  switch (type) {
    case 0x0800: return ipv4_payload(header);
    case 0x86dd: return ipv6_payload(header);
    case 0x0806:
    case 0x8035: return header;
    default: return 0;
  }
}

std::uint32_t Machine::ipv4_payload(std::uint32_t header) {
  if (wire_length_bytes < header + 20) {
    return 0;
  }
  const std::uint32_t words = frame(header, Size::Byte) & 0xf;
  if (ended() || words < 5) {
    return 0;
  }
  const std::uint32_t transport = std::min(header + 4 * words, wire_length_bytes);
  const std::uint32_t fragment = frame(header + 6, Size::Half);
  if (ended() || (fragment & 0x1fff) != 0) {
    return transport;
  }
  const std::uint32_t protocol = frame(header + 9, Size::Byte);
  if ((fragment & 0x2000) == 0 && is_one_of(protocol, kTunnels)) {
    result = 0;
  }
  return behind_transport(transport, protocol);
}

std::uint32_t Machine::ipv6_payload(std::uint32_t header) {
  if (wire_length_bytes < header + 40) {
    return 0;
  }
  const std::uint32_t protocol = frame(header + 6, Size::Byte);
  if (is_one_of(protocol, kTunnels) || is_one_of(protocol, kIpv6Options)) {
    result = 0;
  }
  return behind_transport(header + 40, protocol);
}

/// The offset behind the transport header at `header`, which is inside the packet.
std::uint32_t Machine::behind_transport(std::uint32_t header, std::uint32_t protocol) {
  if (ended()) {
    return 0;
  }
  switch (protocol) {
    case 6:
      return wire_length_bytes - header > 12
                 ? header + std::max(20U, (frame(header + 12, Size::Byte) & 0xf0) >> 2)
                 : header;
    case 1:
    case 2:
    case 17:
    case 58:
    case 136: return header + 8;
    case 33:
    case 132: return header + 12;
    default: return header;
  }
}

}  // namespace cbpfc

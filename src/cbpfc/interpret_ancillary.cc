// SPDX-License-Identifier: BSD-3-Clause
//
// The meaning of ancillary loads and of loads relative to a header, read off an Ethernet frame as plainly
// as can be.  ancillary.cc says what the meaning is and where it comes from, and does the same in classic
// instructions; the two are written apart so that tests can hold one against the other.
//
// A load outside the packet ends the program, also one that is made here.
// Tested by: interpret_test.cc, ancillary_test.cc, and against packet sockets in
// differential/ancillary_test.cc.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ancillary.h"
#include "machine.h"

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
  const std::uint32_t type = load(12, Size::Half);
  return type == 0x8100 || type == 0x88a8 ? 4 : 0;
}

void Machine::load_relative(std::uint32_t offset, Size size) {
  if (!is_header_relative(offset)) {
    a = load(offset, size);
  } else if (!facts.from_frame) {
    refuse("a load relative to a header");
  } else if (offset < kNetworkOffset) {
    a = load(offset - kLinkLayerOffset, size);
  } else if (const std::uint32_t tag = tag_bytes(); !ended()) {
    a = load(offset - kNetworkOffset + kEthernetBytes + tag, size);
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

void Machine::take(const std::optional<std::uint32_t>& fact, std::uint32_t offset) {
  fact ? void(a = *fact) : refuse_ancillary(offset);
}

void Machine::refuse_ancillary(std::uint32_t offset) {
  refuse(fmt::format("the ancillary load \"{}\"", ancillary::name_of(offset)));
}

void Machine::load_ancillary(std::uint32_t offset) {
  switch (offset) {
    case ancillary::kXorX: a ^= x; return;
    case ancillary::kIfindex: take(facts.ifindex, offset); return;
    case ancillary::kQueue: take(facts.rx_queue, offset); return;
    case ancillary::kCpu: take(facts.cpu, offset); return;
    case ancillary::kRandom: take(facts.random, offset); return;
    default: break;
  }
  if (!facts.from_frame) {
    refuse_ancillary(offset);
    return;
  }
  switch (offset) {
    case ancillary::kProtocol: a = protocol(); return;
    case ancillary::kPacketType: a = packet_type(); return;
    case ancillary::kVlanTag: a = tag_bytes() != 0 ? load(14, Size::Half) : 0; return;
    case ancillary::kVlanTagPresent: a = tag_bytes() != 0 ? 1 : 0; return;
    case ancillary::kVlanTpid: a = tag_bytes() != 0 ? load(12, Size::Half) : 0; return;
    case ancillary::kPayloadOffset: a = payload_offset(); return;
    default: refuse_ancillary(offset); return;
  }
}

std::uint32_t Machine::protocol() {
  const std::uint32_t at = 12 + tag_bytes();
  const std::uint32_t type = load(at, Size::Half);
  if (ended() || type >= 0x600) {
    return type;
  }
  const bool is_802_3 = wire_length_bytes >= at + 4 && load(at + 2, Size::Half) == 0xffff;
  return is_802_3 ? 1 : 4;
}

std::uint32_t Machine::packet_type() {
  if ((load(0, Size::Byte) & 1) == 0) {
    return 0;
  }
  return load(0, Size::Word) == 0xffffffff && load(4, Size::Half) == 0xffff ? 1 : 2;
}

std::uint32_t Machine::payload_offset() {
  const std::uint32_t tag = tag_bytes();
  const std::uint32_t header = kEthernetBytes + tag;
  const std::uint32_t type = load(12 + tag, Size::Half);
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
  const std::uint32_t words = load(header, Size::Byte) & 0xf;
  if (ended() || words < 5) {
    return 0;
  }
  const std::uint32_t transport = std::min(header + 4 * words, wire_length_bytes);
  const std::uint32_t fragment = load(header + 6, Size::Half);
  if (ended() || (fragment & 0x1fff) != 0) {
    return transport;
  }
  const std::uint32_t protocol = load(header + 9, Size::Byte);
  if ((fragment & 0x2000) == 0 && is_one_of(protocol, kTunnels)) {
    result = 0;
  }
  return behind_transport(transport, protocol);
}

std::uint32_t Machine::ipv6_payload(std::uint32_t header) {
  if (wire_length_bytes < header + 40) {
    return 0;
  }
  const std::uint32_t protocol = load(header + 6, Size::Byte);
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
                 ? header + std::max(20U, (load(header + 12, Size::Byte) & 0xf0) >> 2)
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

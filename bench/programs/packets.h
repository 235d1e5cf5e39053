// SPDX-License-Identifier: BSD-3-Clause
//
// The two packets a filter is measured on: one that matches and one that does not, of those a search
// finds the ones on which the classic program runs longest.  A packet that fails the first comparison
// would measure nothing but the first comparison.

#pragma once

#include <cbpfc/cbpf.h>

#include <array>
#include <string_view>

#include "bench/programs/per_enum.h"
#include "verify/differential/engines/engines.h"

namespace bench {

using differential::Packet;

enum class PacketKind : std::uint8_t { Match, Miss };
inline constexpr std::array kPacketKinds = {PacketKind::Match, PacketKind::Miss};
template <typename T>
using PerPacket = PerEnum<T, kPacketKinds.size(), PacketKind>;

constexpr std::string_view name(PacketKind kind) {
  return kind == PacketKind::Match ? "match" : "miss";
}

/// Finds both packets, always the same ones for a filter, of at least 60 bytes where length decides
/// nothing.
/// Errors: Errc::Unsupported when no packet that matches, or none that misses, could be made.
cbpfc::Result<PerPacket<Packet>> longest_packets(const cbpfc::Filter& filter);

}  // namespace bench

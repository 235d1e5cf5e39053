// SPDX-License-Identifier: BSD-3-Clause
//
// The reference interpreter: the meaning of a filter, as simply as it can be written.  Every other
// engine (libpcap, the kernel, compiled eBPF) is tested against it.  Never optimised.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <optional>
#include <span>

namespace cbpfc {

/// Backward jumps after which a run is given up.  Source: ours; a chain of headers in the largest
/// packet takes 20,000.
inline constexpr std::uint64_t kMostBackwardJumps = 10'000'000;

/// What ancillary loads are answered with; what is not here is refused.
struct AncillaryFacts {
  bool from_frame = false;  ///< the packet is an Ethernet frame: as AncillaryOptions::from_frame
  std::optional<std::uint32_t> ifindex = std::nullopt;
  std::optional<std::uint32_t> rx_queue = std::nullopt;
  std::optional<std::uint32_t> cpu = std::nullopt;
  std::optional<std::uint32_t> random = std::nullopt;  ///< of every such load
};

/// Runs `filter` over `packet` and returns its value, 0 for no match.
///
/// Scratch slots start as 0.  Follows the Linux kernel where it and libpcap differ (shifts by X of
/// 32 and more, 32-bit wrap of indirect offsets).  A program with backward jumps that never ends on this packet
/// does not match it, as compiled code does not.
/// Units: `wire_length_bytes` is what LoadLength gives, whatever packet.size() is.
/// Errors: Errc::Unsupported when an ancillary load, or a load relative to the network or link-layer
/// header, is reached that `facts` do not answer; when a program has jumped backwards
/// kMostBackwardJumps times without coming back to a state it was in.
Result<std::uint32_t> interpret(const Filter& filter, std::span<const std::uint8_t> packet,
                                std::uint32_t wire_length_bytes, const AncillaryFacts& facts = {});

}  // namespace cbpfc

// SPDX-License-Identifier: BSD-3-Clause
//
// What capture programs and user space share: the record in the ring and the counters.
//
// Both sides are this program (capture_program.cc writes the instructions that fill these structs),
// so there is no version to negotiate; the layout is fixed by the asserts below all the same,
// because instructions address fields by offset.

#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "xdpcap/kernel/action.h"

namespace xdpcap::abi {

/// Most bytes of a packet a record can hold: what the kernel's bpf_xdp_load_bytes() reaches.
inline constexpr std::uint32_t kMaxCapturedBytes = 65535;

/// One record in the ring: this header, `captured_bytes` of the packet, and padding without meaning up to the size
/// the record was reserved with.
///
/// 24 bytes, so that with the eight that the ring puts in front the packet lies at a multiple of 32: the kernel
/// copies 1,500 bytes there in half the time they take at other places (docs/performance.md).
struct RecordHeader {
  std::uint64_t ktime_ns;  ///< CLOCK_MONOTONIC when the capture program ran
  std::uint32_t
      lost_packets;       ///< Counters::lost of this action on this CPU up to now, its lower half
  std::uint32_t ifindex;  ///< ingress interface, in the target's network namespace
  /// The packet's length, all buffers of it.  The kernel's packets have at most 46 buffers of 64 KiB.
  std::uint32_t wire_length_bytes : 24;
  std::uint32_t action : 8;      ///< Action, as number
  std::uint16_t captured_bytes;  ///< at least 1
  std::uint16_t rx_queue;        ///< as wide as in struct sk_buff
};
static_assert(std::endian::native == std::endian::little, "bit fields lie the other way");
static_assert(sizeof(RecordHeader) == 24);
static_assert(offsetof(RecordHeader, captured_bytes) == 20);
/// Of the bit fields, on a little-endian machine.
inline constexpr std::size_t kWireLengthOffset = 16;
inline constexpr std::size_t kActionOffset = 19;

/// Value of the per-CPU counter array; the key is the action's number.  Each grows only.
struct Counters {
  std::uint64_t received = 0;   ///< packets the capture program saw
  std::uint64_t matched = 0;    ///< of those, packets the filter matched
  std::uint64_t held_back = 0;  ///< of those, packets a limit kept out of the ring
  std::uint64_t lost =
      0;  ///< of the others, packets for which the ring had no room, or no record could be made
  /// Packets that could not be handed on to the next capture of the chain: their tail calls were used up.
  std::uint64_t tail_call_failures = 0;
  // What follows are no counters.
  std::uint64_t random = 0;  ///< state of the generator of -sample, seeded by create_counters()
  std::uint64_t tick =
      0;  ///< the kernel's timer tick (jiffies) in which -rate last asked for the time
  std::uint64_t tick_time = 0;  ///< and what it was told; see limit_code.cc

  /// Adds the counters, of another CPU or action.
  Counters& operator+=(const Counters& other) {
    received += other.received;
    matched += other.matched;
    held_back += other.held_back;
    lost += other.lost;
    tail_call_failures += other.tail_call_failures;
    return *this;
  }
};
static_assert(sizeof(Counters) == 64);

/// A flow: the key of the map whose values count its packets.  Bytes as they lie in the packet; flow_code.h.
struct FlowKey {
  std::uint8_t source[16];  ///< of IPv4 the first four
  std::uint8_t destination[16];
  std::uint8_t source_port[2];
  std::uint8_t destination_port[2];
  std::uint8_t ether_type[2];  ///< behind VLAN tags
  std::uint8_t protocol;
  std::uint8_t padding;  ///< 0
};
static_assert(sizeof(FlowKey) == 40);

/// The only value of the array that limits share between CPUs.  Each in a cache line of its own.
struct SharedLimits {
  /// Packets that -c let through.
  alignas(64) std::uint64_t passed_packets;
  /// For each action, the time up to which its packets of -rate are spent; see limit_code.h.
  struct alignas(64) Rate {
    std::uint64_t spent_until;
  };
  ByAction<Rate> rates;
};
static_assert(sizeof(SharedLimits) == (1 + kMostActions) * 64);

}  // namespace xdpcap::abi

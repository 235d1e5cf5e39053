// SPDX-License-Identifier: BSD-3-Clause
//
// Ring record to packet.

#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "xdpcap/kernel/action.h"
#include "xdpcap/program/abi.h"

namespace xdpcap {

/// A packet as the capture program recorded it.
struct Packet {
  std::uint64_t ktime_ns = 0;  ///< CLOCK_MONOTONIC
  std::uint32_t lost_packets =
      0;  ///< lost before it by the same action on the same CPU, modulo 2^32
  std::span<const std::uint8_t> bytes = {};  ///< what was captured; borrows the record
  std::uint32_t wire_length_bytes = 0;
  std::uint32_t ifindex = 0;
  std::uint32_t rx_queue = 0;
  std::uint32_t ring = 0;  ///< the ring it came through, of which each CPU has one
  Action action = Action::Aborted;
};

/// Decodes one record of ring number `ring`; nullopt if no capture program can have written it.
///
/// Ownership: the packet's bytes lie in `record`.
/// Source: xdpcap/program/abi.h RecordHeader.
std::optional<Packet> decode_record(std::span<const std::uint8_t> record, std::uint32_t ring);

}  // namespace xdpcap

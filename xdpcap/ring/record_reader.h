// SPDX-License-Identifier: BSD-3-Clause
//
// A CPU's ring as its reader sees it: records that lie in it until their space is given back.
//
// collect() shows records and leaves them where they are, so that what several CPUs recorded can be put in time order
// (time_order.h) without a copy; release() gives their space back.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "xdpcap/kernel/action.h"
#include "xdpcap/program/abi.h"
#include "xdpcap/program/ring_set.h"

namespace xdpcap {

/// A place in the endless sequence of bytes that pass through a ring; as wide as the kernel's.
using RingPosition = unsigned long;

struct RingRecord {
  std::span<const std::uint8_t> bytes;
  RingPosition start = 0;  ///< of the record's header
};

class RecordReader {
 public:
  virtual ~RecordReader() = default;

  /// Appends complete records behind those already shown, until `most_records` or `most_bytes` are
  /// reached, a record is still being filled, or none is left.  Discarded records are not shown.
  ///
  /// Ownership: the bytes stay valid until release() goes past them.
  virtual void collect(std::vector<RingRecord>& records, std::size_t most_records,
                       std::size_t most_bytes) = 0;

  /// Gives back all space before `position`, which must not go past position().
  virtual void release(RingPosition position) = 0;

  /// Where the next collect() continues.
  virtual RingPosition position() const = 0;

  /// Whether everything reserved so far has been shown.
  virtual bool is_exhausted() const = 0;

  /// Space that is taken, whether shown or not.
  virtual std::uint64_t used_bytes() const = 0;

  /// Takes note of having been woken, before looking, so that what comes later wakes again.
  virtual void answer() {}

  virtual std::uint64_t size_bytes() const = 0;
  virtual std::uint64_t corrupt_records() const = 0;
};

using RecordReaders = std::vector<std::unique_ptr<RecordReader>>;

/// A reader for each ring.
/// Ownership: `rings` must outlive the readers.
/// Errors: Errc::Kernel when a ring cannot be mapped.
Result<RecordReaders> make_readers(const RingSet& rings);

// Ring record to packet.

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

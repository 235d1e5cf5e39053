// SPDX-License-Identifier: BSD-3-Clause
//
// Reader of a BPF ring buffer (BPF_MAP_TYPE_RINGBUF), many records at a time and without a copy.
//
//     consumer page (ours)      position up to which we have given space back
//     producer page (kernel's)  position up to which space has been reserved
//     data pages, mapped twice in a row, so that no record is ever split
//
//     ... | len, pgoff | bytes of the record, padded to 8 | len, pgoff | ...
//
// Positions only grow; modulo the ring's size they are places.  A capture program on any CPU
// reserves under a lock, fills its record without one, and clears the BUSY bit of `len` last; so
// records are in the order of their reservation, and the first busy one ends what can be read.
//
// libbpf's reader hands out one record at a time and gives its space back right after.  The capture
// loop puts packets of several CPUs in time order, which needs all that there are at once; hence
// our own.
//
// Cost: an acquire load a record.  What the ring says is checked before it is used: a length that
// leads outside counts as one corrupt record and skips to the producer position, because there is
// no telling where the next record would start.
//
// Source: Linux v6.18 kernel/bpf/ringbuf.c struct bpf_ringbuf, __bpf_ringbuf_reserve(),
// bpf_ringbuf_commit(), ringbuf_map_mmap_user(); include/uapi/linux/bpf.h BPF_RINGBUF_BUSY_BIT.
// Tested by: xdpcap/tests/ring/ring_reader_test.cc on a ring in ordinary memory, tests/kernel.

#pragma once

#include <cstdint>
#include <vector>

#include "xdpcap/kernel/map.h"
#include "xdpcap/ring/record_reader.h"

namespace xdpcap {

/// Where a ring lies in memory.
struct RingMemory {
  RingPosition* consumer = nullptr;
  const RingPosition* producer = nullptr;
  const std::uint8_t* data = nullptr;  ///< 2 * data_bytes, the second half showing the first again
  std::size_t data_bytes = 0;          ///< a power of two
};

class RingReader final : public RecordReader {
 public:
  /// Maps the ring behind `ring_fd`.
  /// Units: `ring_bytes` is the map's size (max_entries).
  /// Errors: Errc::Kernel.
  static Result<RingReader> map(int ring_fd, std::uint64_t ring_bytes);

  /// Reads a ring that somebody else keeps in memory.
  explicit RingReader(const RingMemory& memory);

  void collect(std::vector<RingRecord>& records, std::size_t most_records,
               std::size_t most_bytes) override;
  void release(RingPosition position) override;
  RingPosition position() const override { return position_; }
  bool is_exhausted() const override;
  std::uint64_t used_bytes() const override;
  std::uint64_t size_bytes() const override { return memory_.data_bytes; }
  std::uint64_t corrupt_records() const override { return corrupt_records_; }

 private:
  RingMemory memory_;
  RingPosition position_ = 0;
  std::uint64_t corrupt_records_ = 0;
  Mapping consumer_page_;
  Mapping producer_pages_;
};

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// Reader of a perf buffer that bpf_perf_event_output() writes to.
//
//     control page (shared)     data_head: where the kernel goes on; data_tail: up to where we gave space back
//     data pages
//
//     ... | type, misc, size | length | bytes of the record, padded | type, misc, size | ...
//
// The kernel moves data_head over records that are complete, so nothing here is half filled.  Unlike a BPF ring
// buffer the data is mapped once, and a record may start at its end and go on at its start.  Such a record is copied
// together; only one at a time can be: the next that goes over the end is a whole buffer later, and cannot be written
// before the space of this one has been given back.  Memory that has another one all the same counts it as corrupt,
// since the first may be in use.
//
// The kernel lets the 16-bit size of a record overflow, and the length in it is right then: a length that does not
// fit its record counts as corrupt (capture programs stay below that).  A size that leads outside counts as
// one corrupt record and skips to the head.
//
// Source: Linux v6.18 include/uapi/linux/perf_event.h struct perf_event_mmap_page, PERF_RECORD_SAMPLE;
// kernel/events/ring_buffer.c perf_output_put_handle(), kernel/events/core.c perf_output_sample().
// Tested by: xdpcap/tests/ring/perf_reader_test.cc on a buffer in ordinary memory, xdpcap/tests/kernel/hook/transport_test.cc.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "xdpcap/ring/record_reader.h"

struct perf_event_mmap_page;

namespace xdpcap {

/// Where a perf buffer lies in memory.
struct PerfMemory {
  perf_event_mmap_page* control = nullptr;
  const std::uint8_t* data = nullptr;
  std::size_t data_bytes = 0;  ///< a power of two
};

PerfMemory memory_of(const PerfBuffer& buffer);

class PerfReader final : public RecordReader {
 public:
  explicit PerfReader(const PerfMemory& memory);

  void collect(std::vector<RingRecord>& records, std::size_t most_records,
               std::size_t most_bytes) override;
  void release(RingPosition position) override;
  RingPosition position() const override { return position_; }
  bool is_exhausted() const override;
  std::uint64_t used_bytes() const override;
  std::uint64_t size_bytes() const override { return memory_.data_bytes; }
  std::uint64_t corrupt_records() const override { return corrupt_records_; }

 private:
  RingPosition head() const;
  const std::uint8_t* at(RingPosition position) const;
  std::span<const std::uint8_t> in_one_piece(RingPosition start, std::size_t bytes);

  PerfMemory memory_;
  RingPosition position_ = 0;
  std::vector<std::uint8_t> joined_;          ///< the record that goes over the end
  std::optional<RingPosition> joined_start_;  ///< of that record, until its space is given back
  std::uint64_t corrupt_records_ = 0;
};

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// Reader of a ring in memory shared with capture programs; xdpcap/program/shared_ring.h says how it lies there.
//
// What a record says is checked before it is used: a length that leads outside counts as one corrupt record and skips
// to the producer's position.
//
// Tested by: xdpcap/tests/ring/shared_ring_reader_test.cc on a ring in ordinary memory, xdpcap/tests/kernel/hook/transport_test.cc.

#pragma once

#include <optional>
#include <vector>

#include "xdpcap/kernel/map.h"
#include "xdpcap/program/shared_ring.h"
#include "xdpcap/ring/record_reader.h"
#include "xdpcap/ring/ring_reader.h"

namespace xdpcap {

/// Where a shared ring lies in memory.
struct SharedRingMemory {
  SharedRingControl* control = nullptr;
  const std::uint8_t* data = nullptr;  ///< ring_bytes and the slack behind
  std::uint64_t ring_bytes = 0;        ///< a power of two
};

class SharedRingReader final : public RecordReader {
 public:
  /// Maps the ring of `cpu` in the array behind `map_fd`.
  /// Errors: Errc::Kernel.
  static Result<SharedRingReader> map(int map_fd, std::uint32_t cpu,
                                      const SharedRingLayout& layout);

  /// Reads a ring that somebody else keeps in memory.
  explicit SharedRingReader(const SharedRingMemory& memory);

  /// Lets answer() empty the ring buffer that wakes the reader of all rings (RingSet::wakeup_fd()).
  /// Errors: Errc::Kernel.
  Result<void> take_wakeup_ring(int wakeup_fd);

  void collect(std::vector<RingRecord>& records, std::size_t most_records,
               std::size_t most_bytes) override;
  void release(RingPosition position) override;
  RingPosition position() const override { return position_; }
  bool is_exhausted() const override;
  std::uint64_t used_bytes() const override;
  void answer() override;
  std::uint64_t size_bytes() const override { return memory_.ring_bytes; }
  std::uint64_t corrupt_records() const override { return corrupt_records_; }

 private:
  RingPosition producer() const;

  SharedRingMemory memory_;
  RingPosition position_ = 0;
  std::uint64_t corrupt_records_ = 0;
  Mapping control_page_;
  Mapping value_pages_;
  std::optional<RingReader> wakeup_;
  std::vector<RingRecord> wakeups_;  ///< always empty: it has only discarded records
};

}  // namespace xdpcap

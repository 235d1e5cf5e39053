// SPDX-License-Identifier: BSD-3-Clause
//
// Reader of a perf buffer, a record at a time, as the reader of the original does it: a record is copied out, and its
// space given back at once.
//
//     control page (perf_event_mmap_page)   data_head: the kernel's, data_tail: ours; both only grow
//     data                                  a power of two; a record can continue at its start
//
//     type, misc, size | size of the sample, bytes, padding to 8     PERF_RECORD_SAMPLE
//     type, misc, size | id, number of records lost                  PERF_RECORD_LOST
//
// Source: perf_event_open(2); Linux v6.18 include/uapi/linux/perf_event.h enum perf_event_type.
// Tested by: bench/tests/perf_records_test.cc.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "xdpcap/ring/perf_reader.h"

namespace bench {

class PerfRecords {
 public:
  explicit PerfRecords(const xdpcap::PerfMemory& memory) : memory_(memory) {}

  /// The next sample; nullopt when there is none.  Records of losses on the way are counted, others ignored.
  ///
  /// Ownership: valid until the next call.
  std::optional<std::span<const std::uint8_t>> next();

  /// Samples the kernel said it had no room for.  It says so before the next sample it has room for, so those lost at
  /// the end are not among them.
  std::uint64_t lost() const { return lost_; }

  /// Gives all space back unread.
  void drain() const;

 private:
  void copy(std::uint64_t position, std::span<std::uint8_t> to) const;

  xdpcap::PerfMemory memory_;
  std::vector<std::uint8_t> record_;
  std::uint64_t lost_ = 0;
};

}  // namespace bench

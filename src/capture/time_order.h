// SPDX-License-Identifier: BSD-3-Clause
//
// Puts packets of several CPUs in time order, within a bounded look-back.
//
// A capture program reads the clock and then reserves its record, so two CPUs can reserve in the
// other order than they read; the records of one CPU are always in order.  A packet is therefore
// held back until it is `look-back` old: by then every packet that is older has been reserved, too.
//
//     ring      1000  1020  1010 | 1980            now 2000, horizon = now - 900 = 1100
//     shown     1000  1010  1020                   1980 stays, the next batch may bring 1970
//
// Held packets stay in the ring, nothing is copied; their space is given back when they have been
// taken.
//
// Cost: one pass that finds a batch in order already, or a sort of almost sorted numbers.
// Limits: a CPU that is stopped between clock and reservation for longer than the look-back (a
// virtual machine's, say) leaves its packet out of order. Tested by:
// tests/unit/capture/time_order_test.cc.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "capture/record.h"
#include "capture/ring_reader.h"

namespace xdpcap {

class TimeOrder {
 public:
  struct Held {
    Packet packet;
    RingPosition start;  ///< of its record in the ring
  };

  /// Ownership: borrows `ring`, which must outlive this.
  explicit TimeOrder(RingReader& ring) : ring_(&ring) {}

  /// Takes in what the ring has, a bounded batch of it; true if the bound ended it.
  bool fill();

  /// The packets up to `horizon_ktime_ns`, in time order, equal times in the ring's order.
  ///
  /// Ownership: valid until release(), which must come before the next fill().
  std::span<const Held> ready(std::uint64_t horizon_ktime_ns);

  /// Forgets what ready() returned last and gives its space back.
  void release();

  /// Whether packets wait for their time, or a record is still being filled.
  bool is_waiting() const { return !held_.empty() || !ring_->is_exhausted(); }

  /// Whether holding packets back any longer could cost others their place in the ring.
  bool is_pressed() const;

  /// Records no capture program can have written; they are skipped.
  std::uint64_t corrupt_records() const { return corrupt_records_ + ring_->corrupt_records(); }

 private:
  RingReader* ring_;
  std::vector<RingRecord> records_;  // of the last fill(); a member to keep its memory
  std::vector<Held> held_;           // in time order
  std::size_t ready_ = 0;            // packets at the front of held_ that ready() returned
  std::uint64_t corrupt_records_ = 0;
};

}  // namespace xdpcap

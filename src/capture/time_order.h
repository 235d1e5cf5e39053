// SPDX-License-Identifier: BSD-3-Clause
//
// Puts packets of several CPUs in time order, within a bounded look-back.
//
// A capture program reserves its record and then reads the clock, so a CPU that is held up between
// the two leaves a packet in front of older ones; the records of one CPU are always in order.  But
// whatever has a time has been reserved before that time: a look at the whole ring after a packet's
// time finds every older packet there, at worst still being filled.  A packet is therefore held back
// until it was `look-back` old when the ring was looked at, which leaves that long for filling.
//
//     ring      1000  1020  1010 | 1980            now 2000, horizon = now - 900 = 1100
//     shown     1000  1010  1020                   1980 stays, the next batch may bring 1970
//
// A reader that is behind takes only a bounded batch of the ring, and the age of a packet says
// nothing about the record behind the batch.  Its horizon is then the newest time of the batch less
// the look-back, too:
//
//     ring      1000  4980  5000 | 4990  ...       now 99000, but the horizon is 5000 - 900 = 4100
//     shown     1000                               4980 and 5000 stay, 4990 will come between them
//
// A batch that spans less than the look-back would never end so.  Of a bounded batch, or when the
// ring fills up, the older half goes whatever the horizon: no look at the ring is without progress,
// and a packet is still sorted among half a batch.
//
// Held packets stay in the ring, nothing is copied; their space is given back when they have been
// taken.  They count towards the bound of the next batch.
//
// Cost: one pass that finds a batch in order already, or a sort of almost sorted numbers; twice a
// packet while the reader is behind.
// Limits: a packet is out of order when a CPU was held up (a virtual machine's, say) for longer than
// the look-back: while it filled a record that lies behind a younger one, or, if the reader was
// behind, between reservation and clock; and when more than half a batch lies between two packets
// that swapped.
// Tested by: tests/unit/capture/time_order_test.cc, capture_loop_test.cc.

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
  TimeOrder(RingReader& ring, std::uint64_t look_back_ns)
      : ring_(&ring), look_back_ns_(look_back_ns), released_(ring.position()) {}

  /// Takes in what the ring has, a bounded batch of it; true if the bound ended it, and then
  /// ready() shows something, unless there was nothing but corrupt records.
  bool fill();

  /// The packets up to `horizon_ktime_ns`, in time order, equal times in the ring's order.  Fewer
  /// when the last fill() was bounded and packets behind it may be older, but then, and when
  /// holding back could cost others their place in the ring, at least the older half.
  ///
  /// Units: the horizon is the look-back before the last fill(), or UINT64_MAX when nobody fills
  /// the ring any more.
  /// Ownership: valid until release(), which must come before the next fill().
  std::span<const Held> ready(std::uint64_t horizon_ktime_ns);

  /// Forgets what ready() returned last and gives its space back.
  void release();

  /// Whether packets wait for their time, or a record is still being filled.
  bool is_waiting() const { return !held_.empty() || !ring_->is_exhausted(); }

  /// Records no capture program can have written; they are skipped.
  std::uint64_t corrupt_records() const { return corrupt_records_ + ring_->corrupt_records(); }

 private:
  std::size_t packets_up_to(std::uint64_t ktime_ns) const;
  bool is_pressed() const;

  RingReader* ring_;
  std::uint64_t look_back_ns_;
  RingPosition released_;            // where the oldest held record starts in the ring
  std::vector<RingRecord> records_;  // of the last fill(); a member to keep its memory
  std::vector<Held> held_;           // in time order
  std::size_t ready_ = 0;            // packets at the front of held_ that ready() returned
  bool is_bounded_ = false;          // the last fill()
  std::uint64_t corrupt_records_ = 0;
};

}  // namespace xdpcap

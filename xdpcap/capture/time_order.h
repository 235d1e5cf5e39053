// SPDX-License-Identifier: BSD-3-Clause
//
// Puts packets of several CPUs in time order, within a bounded look-back.
//
// Each CPU has a ring, and its records there are in the order of their times.  A capture program reads the clock and
// has its record ready some hundred nanoseconds later.  A packet is therefore held back until it was `look-back` old
// when the rings were looked at, which leaves that long for filling: then every older packet has been seen.
//
//     ring 0    1000  1020 | 1980                  now 2000, horizon = now - 900 = 1100
//     ring 1    1010       | (1970 being filled)
//     shown     1000  1010  1020                   1980 stays, the next look may bring 1970
//
// A reader that is behind takes only a bounded batch of each ring, and the age of a packet says nothing about
// what lies behind the batch.  The horizon then is the newest time of such a batch less the look-back, too:
//
//     ring 0    1000  5000  5010 | ...             now 99000, but the horizon is 5010 - 900 = 4110
//     ring 1    1500  4990
//     shown     1000  1500                         4990 and 5000 stay, more of ring 0 may come between them
//
// A batch that spans less than the look-back would never end so.  Of a bounded batch, or when a ring fills up, the
// older half goes whatever the horizon, with all that is older in other rings: no look at the rings is without
// progress.
//
// Held packets stay in their rings, nothing is copied but what was decoded of them; their space is given back when
// they have been taken.  They count towards the bound of the next batch.
//
// Cost: a packet is moved within a heap of the rings that have any; where only one has, not even that.
// Limits: a packet is out of order when a CPU was held up (a virtual machine's, say) for longer than the look-back
// while it filled a record.
// Tested by: xdpcap/tests/capture/time_order_test.cc, capture_loop_test.cc.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "xdpcap/ring/record_reader.h"

namespace xdpcap {

class TimeOrder {
 public:
  struct Pending {
    Packet packet;
    RingPosition start;  ///< of its record in the ring
  };

  /// Ownership: borrows `rings`, which must outlive this and are at least one.
  TimeOrder(std::span<const std::unique_ptr<RecordReader>> rings, std::uint64_t look_back_ns);

  /// Takes in what the rings have, a bounded batch of each; true if a bound ended one, and then ready() shows
  /// something, unless there was nothing but corrupt records.
  bool fill();

  /// The packets up to `horizon_ktime_ns`, in time order, equal times of one ring in its order.  Fewer when the
  /// last fill() was bounded and packets behind it may be older, but then, and when holding back could cost
  /// others their place in a ring, at least the older half of what that ring has here.
  ///
  /// Units: the horizon is the look-back before the last fill(), or UINT64_MAX when nobody fills
  /// the rings any more.
  /// Ownership: valid until release(), which must come before the next fill().
  std::span<const Pending> ready(std::uint64_t horizon_ktime_ns);

  /// Forgets what ready() returned last and gives its space back.
  void release();

  /// Whether packets wait for their time, or a record is still being filled.
  bool is_waiting() const;

  /// Records no capture program can have written; they are skipped.
  std::uint64_t corrupt_records() const;

 private:
  /// One ring and what is held of it.
  struct Ring {
    RecordReader* reader;
    std::uint32_t number;
    RingPosition released;      ///< where the oldest held record starts in the ring
    std::vector<Pending> held;  ///< in time order
    std::size_t ready = 0;      ///< packets at the front of `held` that ready() returned
    std::size_t merged = 0;     ///< of those, while they are merged
    bool is_bounded = false;    ///< the last fill()

    bool has_to_go_on() const;
  };
  void fill(Ring& ring);
  std::span<const Pending> merge();

  std::vector<Ring> rings_;
  std::uint64_t look_back_ns_;
  std::size_t most_packets_;         ///< held of a ring
  std::vector<RingRecord> records_;  // members to keep their memory
  std::vector<std::size_t> heads_;
  std::vector<Pending> merged_;
  std::uint64_t corrupt_records_ = 0;
};

}  // namespace xdpcap

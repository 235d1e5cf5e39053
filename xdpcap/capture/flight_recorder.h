// SPDX-License-Identifier: BSD-3-Clause
//
// The memory of a flight recorder: packets in a bounded ring of bytes, the oldest in front.
//
// A packet is its decoded header and its bytes in one piece.  What no longer fits at the end of the memory starts
// again at its beginning; the rest of the end stays unused for one round.  Packets leave at the front only, to be
// written or to make room:
//
//     A B C are in memory, D comes        | A | B | C |  |       no room at the end, none at the beginning
//     A leaves (overwritten)              |   | B | C |  |       D fits where A was
//     D is appended                       | D | B | C |  |       front: B, then C, then D
//                                               ^front ^ends here for this round
//
// Cost: one copy of a packet's bytes, 48 bytes of header, nothing is allocated; the pages are all there from the
// start.  At most the largest packet's size of the memory is unused at its end.
// Limits: how much time the memory holds depends on the traffic; a control group's limit on memory shows as the
// process being killed in allocate(), before anything has been attached.
// Source: madvise(2) MADV_POPULATE_WRITE, Linux v6.18 mm/madvise.c madvise_populate().
// Tested by: xdpcap/tests/capture/flight_recorder_test.cc, also against a queue that is simply right.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "xdpcap/ring/record_reader.h"

namespace xdpcap {

/// A packet with the wall-clock time it had when it was taken: a clock that is set, or a machine that sleeps, must not
/// move packets that lie in memory.
struct RecordedPacket {
  Packet packet;  ///< its bytes lie in the memory
  std::uint64_t wall_time_ns = 0;
};

class FlightRecorder {
 public:
  /// Memory for a packet of `captured_bytes`.
  static std::size_t packet_bytes(std::size_t captured_bytes);

  /// Takes all of the memory at once.
  /// Errors: Errc::Kernel with ENOMEM and what there is.
  static Result<FlightRecorder> allocate(std::size_t size_bytes);

  std::size_t size_bytes() const { return memory_.get_deleter().size_bytes; }
  std::uint64_t packets() const { return packets_; }
  bool is_empty() const { return packets_ == 0; }

  /// Whether append() would take a packet of `captured_bytes` as things are.
  bool has_room(std::size_t captured_bytes) const;

  /// Puts a packet behind all others; there must be room.
  void append(const Packet& packet, std::uint64_t wall_time_ns);

  /// The packet in front; there must be one.  Ownership: valid until drop_oldest(), clear() or append().
  RecordedPacket oldest() const;
  void drop_oldest();

  void clear();

 private:
  struct Unmap {
    std::size_t size_bytes = 0;
    void operator()(std::uint8_t* memory) const;
  };
  using Memory = std::unique_ptr<std::uint8_t, Unmap>;

  explicit FlightRecorder(Memory memory) : memory_(std::move(memory)) {}

  Memory memory_;
  std::size_t front_ = 0;    // where the oldest packet starts
  std::size_t back_ = 0;     // where the next would, if it fits there
  std::size_t end_ = 0;      // where packets end before the beginning is used again
  bool is_wrapped_ = false;  // back_ is before front_
  std::uint64_t packets_ = 0;
};

}  // namespace xdpcap

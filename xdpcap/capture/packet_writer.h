// SPDX-License-Identifier: BSD-3-Clause
//
// Packets to pcapng blocks, counting what becomes of them.
//
// A block gets, besides what the record holds:
//
//     epb_dropcount   the growth of the record's count of lost packets since the last packet of the
//                     same action and CPU; what is lost after the last packet shows in the statistics
//                     only, and so do 2^31 and more that are lost in a row
//     opt_comment     "ingress interface index 7", on each packet that did not come in on the section's sole
//                     interface.  A hook may sit behind many interfaces, and pcapng's interfaces are the actions
//                     here.  A stream cannot know what is coming, so the sole interface is one that the section
//                     names before its first packet; if it names none, all packets have the comment.  It may be a
//                     wrong guess, which costs comments, but never names a wrong interface
//
// A flight recorder's packets may never be written: what was lost before one that is left out shows at the next packet
// of its action.
//
// After the output failed, packets are counted all the same: no packet disappears without a number.
// Tested by: xdpcap/tests/capture/packet_writer_test.cc.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "xdpcap/capture/clock.h"
#include "xdpcap/kernel/action.h"
#include "xdpcap/pcapng/pcapng_writer.h"
#include "xdpcap/ring/record_reader.h"

namespace xdpcap {

/// In front of the number in a packet's comment.
inline constexpr std::string_view kIngressPrefix = "ingress interface index ";

class PacketWriter {
 public:
  /// `actions` in the order of the file's interfaces; `sole_ifindex` is what all sections name as the ingress interface
  /// of packets without a comment.
  ///
  /// Ownership: borrows `output` and `clock`, which must outlive this.
  PacketWriter(PcapngWriter& output, const WallClock& clock, const std::vector<Action>& actions,
               std::optional<std::uint32_t> sole_ifindex);

  /// Writes a packet, or only counts it after close().
  /// Errors: those of the output.  A packet of an action that is not captured is only counted.
  Result<void> write(const Packet& packet);

  /// The same with a time of its own.
  Result<void> write(const Packet& packet, std::uint64_t wall_time_ns);

  /// Leaves a packet out of the file, and out of every count.
  void skip(const Packet& packet);

  /// Writes no more, for the output failed or should be left alone.
  void close() { is_open_ = false; }
  bool is_open() const { return is_open_; }

  /// Packets that write() got.
  std::uint64_t taken(Action action) const { return by_action_[index(action)].taken; }

  /// Of those, packets whose whole block reached the output.
  std::uint64_t delivered(Action action) const;

 private:
  // What is remembered of the packets of one action.
  struct ActionState {
    std::optional<std::uint32_t> interface;  // in the file; nullopt: not captured
    std::vector<std::uint32_t> lost;         // by ring, as of the last packet
    std::uint64_t lost_before_skipped = 0;   // to be shown at the next packet
    std::uint64_t taken = 0;
  };
  static constexpr std::size_t kMostCommentBytes =
      kIngressPrefix.size() + std::numeric_limits<std::uint32_t>::digits10 + 1;

  Result<void> put(ActionState& state, const Packet& packet, std::uint64_t wall_time_ns,
                   std::uint64_t lost_before_packets);
  std::string_view comment_on(const Packet& packet);
  static std::uint64_t lost_before(ActionState& state, const Packet& packet);

  PcapngWriter* output_;
  const WallClock* clock_;
  ByAction<ActionState> by_action_;
  std::optional<std::uint32_t> sole_ifindex_;
  std::array<char, kMostCommentBytes> comment_;
  bool is_open_ = true;
};

}  // namespace xdpcap

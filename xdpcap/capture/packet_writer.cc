// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/packet_writer.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace xdpcap {

PacketWriter::PacketWriter(PcapngWriter& output, const WallClock& clock,
                           const std::vector<Action>& actions,
                           std::optional<std::uint32_t> sole_ifindex)
    : output_(&output), clock_(&clock), sole_ifindex_(sole_ifindex) {
  std::ranges::copy(kIngressPrefix, comment_.begin());
  std::uint32_t interface = 0;
  for (const Action action : actions) {
    by_action_[index(action)].interface = interface++;
  }
}

Result<void> PacketWriter::write(const Packet& packet) {
  ActionState& state = by_action_[index(packet.action)];
  ++state.taken;
  if (!is_open_ || !state.interface) {
    return {};
  }
  return put(state, packet, clock_->to_wall_ns(packet.ktime_ns), lost_before(state, packet));
}

Result<void> PacketWriter::write(const Packet& packet, std::uint64_t wall_time_ns) {
  ActionState& state = by_action_[index(packet.action)];
  ++state.taken;
  if (!is_open_ || !state.interface) {
    return {};
  }
  return put(state, packet, wall_time_ns,
             std::exchange(state.lost_before_skipped, 0) + lost_before(state, packet));
}

void PacketWriter::skip(const Packet& packet) {
  ActionState& state = by_action_[index(packet.action)];
  state.lost_before_skipped += lost_before(state, packet);
}

Result<void> PacketWriter::put(ActionState& state, const Packet& packet, std::uint64_t wall_time_ns,
                               std::uint64_t lost_before_packets) {
  return output_->write({.interface = *state.interface,
                         .wall_time_ns = wall_time_ns,
                         .wire_length_bytes = packet.wire_length_bytes,
                         .bytes = packet.bytes,
                         .xdp_verdict = index(packet.action),
                         .queue = packet.rx_queue,
                         .lost_before_packets = lost_before_packets,
                         .comment = comment_on(packet)});
}

// Millions of packets a second may each have state, so nothing general formats it.
std::string_view PacketWriter::comment_on(const Packet& packet) {
  if (packet.ifindex == sole_ifindex_) {
    return {};
  }
  char* const begin = comment_.data();
  const auto number =
      std::to_chars(begin + kIngressPrefix.size(), begin + comment_.size(), packet.ifindex);
  return {begin, static_cast<std::size_t>(number.ptr - begin)};
}

std::uint64_t PacketWriter::delivered(Action action) const {
  const ActionState& state = by_action_[index(action)];
  return state.interface ? output_->delivered(*state.interface) : 0;
}

std::uint64_t PacketWriter::lost_before(ActionState& state, const Packet& packet) {
  if (state.lost.size() <= packet.ring) {
    state.lost.resize(packet.ring + 1U);  // bounded by the number of rings
  }
  std::uint32_t& last = state.lost[packet.ring];
  const std::uint32_t growth = packet.lost_packets - std::exchange(last, packet.lost_packets);
  return growth > INT32_MAX ? 0 : growth;  // it does not shrink: no capture program wrote that
}

}  // namespace xdpcap

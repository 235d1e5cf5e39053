// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/ring/record.h"

#include <cstring>

namespace xdpcap {

std::optional<Packet> decode_record(std::span<const std::uint8_t> record, std::uint32_t ring) {
  abi::RecordHeader header;
  if (record.size() < sizeof(header)) {
    return std::nullopt;
  }
  std::memcpy(&header, record.data(), sizeof(header));
  const bool is_plausible =
      header.captured_bytes >= 1 && header.captured_bytes <= record.size() - sizeof(header) &&
      header.captured_bytes <= header.wire_length_bytes && header.action < kMostActions;
  if (!is_plausible) {
    return std::nullopt;
  }
  return Packet{.ktime_ns = header.ktime_ns,
                .lost_packets = header.lost_packets,
                .bytes = record.subspan(sizeof(header), header.captured_bytes),
                .wire_length_bytes = header.wire_length_bytes,
                .ifindex = header.ifindex,
                .rx_queue = header.rx_queue,
                .ring = ring,
                .action = action_of(header.action)};
}

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/ring/record_reader.h"

#include <cstring>

#include "xdpcap/ring/perf_reader.h"
#include "xdpcap/ring/ring_reader.h"
#include "xdpcap/ring/shared_ring_reader.h"

namespace xdpcap {

Result<RecordReaders> make_readers(const RingSet& rings) {
  RecordReaders readers;
  const SharedRingLayout layout = shared_ring_layout(rings.ring_bytes());
  for (std::size_t cpu = 0; cpu < rings.shared_rings(); ++cpu) {
    SharedRingReader reader =
        TRY(SharedRingReader::map(rings.map_fd(), static_cast<std::uint32_t>(cpu), layout));
    if (cpu == 0) {
      TRY(reader.take_wakeup_ring(rings.wakeup_fd()));
    }
    readers.push_back(std::make_unique<SharedRingReader>(std::move(reader)));
  }
  for (const UniqueFd& ring : rings.rings()) {
    readers.push_back(
        std::make_unique<RingReader>(TRY(RingReader::map(ring.get(), rings.ring_bytes()))));
  }
  for (const PerfBuffer& buffer : rings.perf_buffers()) {
    readers.push_back(std::make_unique<PerfReader>(memory_of(buffer)));
  }
  return readers;
}

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

// SPDX-License-Identifier: BSD-3-Clause

#include "capture/time_order.h"

#include <algorithm>

namespace xdpcap {

namespace {

// Large enough that system calls do not count, small enough that space is given back soon and that
// the headers of a batch stay in the CPU's cache.
constexpr std::size_t kBatchPackets = 4096;

std::uint64_t ktime_of(const TimeOrder::Held& held) {
  return held.packet.ktime_ns;
}

}  // namespace

bool TimeOrder::fill() {
  if (held_.size() >= kBatchPackets) {
    return true;
  }
  const std::size_t most_packets = kBatchPackets - held_.size();
  const std::size_t most_bytes = ring_->size_bytes() / 4;
  const RingPosition first = ring_->position();
  records_.clear();
  ring_->collect(records_, most_packets, most_bytes);
  for (const RingRecord& record : records_) {
    if (const std::optional<Packet> packet = decode_record(record.bytes)) {
      held_.push_back({.packet = *packet, .start = record.start});
    } else {
      ++corrupt_records_;
    }
  }
  if (!std::ranges::is_sorted(held_, {}, ktime_of)) {
    // Packets of one time stay as they lie in the ring.
    std::ranges::sort(held_, {},
                      [](const Held& held) { return std::pair(ktime_of(held), held.start); });
  }
  return records_.size() == most_packets || ring_->position() - first >= most_bytes;
}

std::span<const TimeOrder::Held> TimeOrder::ready(std::uint64_t horizon_ktime_ns) {
  const auto end = std::ranges::upper_bound(held_, horizon_ktime_ns, {}, ktime_of);
  ready_ = static_cast<std::size_t>(end - held_.begin());
  return std::span(held_).first(ready_);
}

void TimeOrder::release() {
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(ready_));
  ready_ = 0;
  RingPosition position = ring_->position();
  for (const Held& held : held_) {
    position = std::min(position, held.start);
  }
  ring_->release(position);
}

bool TimeOrder::is_pressed() const {
  return held_.size() >= kBatchPackets || ring_->used_bytes() > ring_->size_bytes() / 4;
}

}  // namespace xdpcap

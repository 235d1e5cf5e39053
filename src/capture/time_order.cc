// SPDX-License-Identifier: BSD-3-Clause

#include "capture/time_order.h"

#include <algorithm>

namespace xdpcap {

namespace {

// Large enough that system calls do not count, small enough that space is given back soon and that
// the headers of a batch stay in the CPU's cache.
constexpr std::size_t kBatchPackets = 4096;

// A batch is at most this part of the ring; so is what may wait in it without need.
constexpr std::uint64_t kRingShare = 4;

std::uint64_t ktime_of(const TimeOrder::Held& held) {
  return held.packet.ktime_ns;
}

}  // namespace

bool TimeOrder::fill() {
  const RingPosition first = ring_->position();
  const std::uint64_t batch_bytes = ring_->size_bytes() / kRingShare;
  const std::uint64_t held_bytes = first - released_;
  is_bounded_ = held_.size() >= kBatchPackets || held_bytes >= batch_bytes;
  if (is_bounded_) {
    return true;
  }
  const std::size_t most_packets = kBatchPackets - held_.size();
  const std::size_t most_bytes = batch_bytes - held_bytes;
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
  is_bounded_ = records_.size() == most_packets || ring_->position() - first >= most_bytes;
  return is_bounded_;
}

std::span<const TimeOrder::Held> TimeOrder::ready(std::uint64_t horizon_ktime_ns) {
  std::uint64_t horizon = horizon_ktime_ns;
  if (is_bounded_ && !held_.empty()) {
    const std::uint64_t newest = ktime_of(held_.back());
    horizon = std::min(horizon, newest - std::min(newest, look_back_ns_));
  }
  ready_ = packets_up_to(horizon);
  if (is_bounded_ || is_pressed()) {
    ready_ = std::max(ready_, (held_.size() + 1) / 2);
  }
  return std::span(held_).first(ready_);
}

void TimeOrder::release() {
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(ready_));
  ready_ = 0;
  released_ = ring_->position();
  for (const Held& held : held_) {
    released_ = std::min(released_, held.start);
  }
  ring_->release(released_);
}

std::size_t TimeOrder::packets_up_to(std::uint64_t ktime_ns) const {
  const auto end = std::ranges::upper_bound(held_, ktime_ns, {}, ktime_of);
  return static_cast<std::size_t>(end - held_.begin());
}

// Whether holding packets back any longer could cost others their place in the ring.
bool TimeOrder::is_pressed() const {
  return ring_->used_bytes() > ring_->size_bytes() / kRingShare;
}

}  // namespace xdpcap

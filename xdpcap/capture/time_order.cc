// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/time_order.h"

#include <algorithm>
#include <utility>

namespace xdpcap {

namespace {

// A batch of all rings: large enough that system calls do not count, small enough that space is given back soon
// and that the headers of a ring's batch stay in the CPU's cache.
constexpr std::size_t kMostBatchPackets = 4096;
constexpr std::size_t kLeastBatchPackets = 32;
constexpr std::size_t kHeldPackets = std::size_t{1} << 16;

// A batch is at most this part of its ring; so is what may wait in it without need.
constexpr std::uint64_t kRingShare = 4;

std::uint64_t ktime_of(const TimeOrder::Held& held) {
  return held.packet.ktime_ns;
}

/// How many packets at the front are older than `ktime_ns`, or as old.
std::size_t packets_up_to(std::span<const TimeOrder::Held> held, std::uint64_t ktime_ns) {
  return static_cast<std::size_t>(std::ranges::upper_bound(held, ktime_ns, {}, ktime_of) -
                                  held.begin());
}

/// How many packets at the front are older than `ktime_ns`.
std::size_t packets_before(std::span<const TimeOrder::Held> held, std::uint64_t ktime_ns) {
  return static_cast<std::size_t>(std::ranges::lower_bound(held, ktime_ns, {}, ktime_of) -
                                  held.begin());
}

std::size_t older_half(std::span<const TimeOrder::Held> held) {
  return (held.size() + 1) / 2;
}

}  // namespace

TimeOrder::TimeOrder(std::span<const std::unique_ptr<RecordReader>> rings,
                     std::uint64_t look_back_ns)
    : look_back_ns_(look_back_ns),
      most_packets_(
          std::clamp(kHeldPackets / rings.size(), kLeastBatchPackets, kMostBatchPackets)) {
  lanes_.reserve(rings.size());
  for (const std::unique_ptr<RecordReader>& ring : rings) {
    lanes_.push_back({.ring = ring.get(),
                      .number = static_cast<std::uint32_t>(lanes_.size()),
                      .released = ring->position(),
                      .held = {}});
  }
}

bool TimeOrder::fill() {
  bool is_bounded = false;
  for (Lane& lane : lanes_) {
    lane.ring->answer();
    if (lane.held.empty() && lane.ring->is_exhausted()) {
      lane.is_bounded = false;
      continue;  // as most are, on a machine of many CPUs
    }
    fill(lane);
    is_bounded = is_bounded || lane.is_bounded;
  }
  return is_bounded;
}

void TimeOrder::fill(Lane& lane) {
  const RingPosition first = lane.ring->position();
  const std::uint64_t batch_bytes = lane.ring->size_bytes() / kRingShare;
  const std::uint64_t held_bytes = first - lane.released;
  lane.is_bounded = lane.held.size() >= most_packets_ || held_bytes >= batch_bytes;
  if (lane.is_bounded) {
    return;
  }
  const std::size_t most_packets = most_packets_ - lane.held.size();
  const std::size_t most_bytes = batch_bytes - held_bytes;
  records_.clear();
  lane.ring->collect(records_, most_packets, most_bytes);
  for (const RingRecord& record : records_) {
    if (const std::optional<Packet> packet = decode_record(record.bytes, lane.number)) {
      lane.held.push_back({.packet = *packet, .start = record.start});
    } else {
      ++corrupt_records_;
    }
  }
  if (!std::ranges::is_sorted(lane.held, {}, ktime_of)) {
    // No CPU does that; but what is read here is what merging relies on.
    std::ranges::sort(lane.held, {},
                      [](const Held& held) { return std::pair(ktime_of(held), held.start); });
  }
  lane.is_bounded = records_.size() == most_packets || lane.ring->position() - first >= most_bytes;
}

/// Whether holding packets back any longer would leave others no place, here or in the ring.
bool TimeOrder::Lane::has_to_go_on() const {
  return is_bounded || ring->used_bytes() > ring->size_bytes() / kRingShare;
}

std::span<const TimeOrder::Held> TimeOrder::ready(std::uint64_t horizon_ktime_ns) {
  std::uint64_t horizon = horizon_ktime_ns;
  std::uint64_t forced = 0;
  for (const Lane& lane : lanes_) {
    if (lane.is_bounded && !lane.held.empty()) {
      const std::uint64_t newest = ktime_of(lane.held.back());
      horizon = std::min(horizon, newest - std::min(newest, look_back_ns_));
    }
    if (!lane.held.empty() && lane.has_to_go_on()) {
      forced = std::max(forced, ktime_of(lane.held[older_half(lane.held) - 1]));
    }
  }
  for (Lane& lane : lanes_) {
    lane.ready = std::max(packets_up_to(lane.held, horizon), packets_before(lane.held, forced));
    if (!lane.held.empty() && lane.has_to_go_on()) {
      lane.ready = std::max(lane.ready, older_half(lane.held));
    }
  }
  return merge();
}

/// What is ready of all lanes; where only one has any, it is not copied.
std::span<const TimeOrder::Held> TimeOrder::merge() {
  // A heap of lanes, the one with the oldest packet in front.
  heads_.clear();
  std::size_t total = 0;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i].merged = 0;
    if (lanes_[i].ready > 0) {
      heads_.push_back(i);
      total += lanes_[i].ready;
    }
  }
  if (heads_.empty()) {
    return {};
  }
  if (heads_.size() == 1) {
    const Lane& only = lanes_[heads_.front()];
    return std::span(only.held).first(only.ready);
  }
  const auto next_time = [&](std::size_t lane) {
    return std::pair(ktime_of(lanes_[lane].held[lanes_[lane].merged]), lane);
  };
  const auto is_younger = [&](std::size_t left, std::size_t right) {
    return next_time(left) > next_time(right);
  };
  std::ranges::make_heap(heads_, is_younger);
  merged_.clear();
  merged_.reserve(total);
  while (!heads_.empty()) {
    std::ranges::pop_heap(heads_, is_younger);
    Lane& lane = lanes_[heads_.back()];
    merged_.push_back(lane.held[lane.merged]);
    if (++lane.merged < lane.ready) {
      std::ranges::push_heap(heads_, is_younger);
    } else {
      heads_.pop_back();
    }
  }
  return merged_;
}

void TimeOrder::release() {
  for (Lane& lane : lanes_) {
    const RingPosition position = lane.ring->position();
    if (lane.held.empty() && lane.released == position) {
      continue;
    }
    lane.held.erase(lane.held.begin(), lane.held.begin() + static_cast<std::ptrdiff_t>(lane.ready));
    lane.ready = 0;
    lane.released = position;
    for (const Held& held : lane.held) {
      lane.released = std::min(lane.released, held.start);
    }
    lane.ring->release(lane.released);
  }
}

bool TimeOrder::is_waiting() const {
  return std::ranges::any_of(
      lanes_, [](const Lane& lane) { return !lane.held.empty() || !lane.ring->is_exhausted(); });
}

std::uint64_t TimeOrder::corrupt_records() const {
  std::uint64_t all = corrupt_records_;
  for (const Lane& lane : lanes_) {
    all += lane.ring->corrupt_records();
  }
  return all;
}

}  // namespace xdpcap

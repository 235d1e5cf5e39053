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

std::uint64_t ktime_of(const TimeOrder::Pending& held) {
  return held.packet.ktime_ns;
}

/// How many packets at the front are older than `ktime_ns`, or as old.
std::size_t packets_up_to(std::span<const TimeOrder::Pending> held, std::uint64_t ktime_ns) {
  return static_cast<std::size_t>(std::ranges::upper_bound(held, ktime_ns, {}, ktime_of) -
                                  held.begin());
}

/// How many packets at the front are older than `ktime_ns`.
std::size_t packets_before(std::span<const TimeOrder::Pending> held, std::uint64_t ktime_ns) {
  return static_cast<std::size_t>(std::ranges::lower_bound(held, ktime_ns, {}, ktime_of) -
                                  held.begin());
}

std::size_t older_half(std::span<const TimeOrder::Pending> held) {
  return (held.size() + 1) / 2;
}

}  // namespace

TimeOrder::TimeOrder(std::span<const std::unique_ptr<RecordReader>> rings,
                     std::uint64_t look_back_ns)
    : look_back_ns_(look_back_ns),
      most_packets_(
          std::clamp(kHeldPackets / rings.size(), kLeastBatchPackets, kMostBatchPackets)) {
  rings_.reserve(rings.size());
  for (const std::unique_ptr<RecordReader>& reader : rings) {
    rings_.push_back({.reader = reader.get(),
                      .number = static_cast<std::uint32_t>(rings_.size()),
                      .released = reader->position(),
                      .held = {}});
  }
}

bool TimeOrder::fill() {
  bool is_bounded = false;
  for (Ring& ring : rings_) {
    ring.reader->answer();
    if (ring.held.empty() && ring.reader->is_exhausted()) {
      ring.is_bounded = false;
      continue;  // as most are, on a machine of many CPUs
    }
    fill(ring);
    is_bounded = is_bounded || ring.is_bounded;
  }
  return is_bounded;
}

void TimeOrder::fill(Ring& ring) {
  const RingPosition first = ring.reader->position();
  const std::uint64_t batch_bytes = ring.reader->size_bytes() / kRingShare;
  const std::uint64_t held_bytes = first - ring.released;
  ring.is_bounded = ring.held.size() >= most_packets_ || held_bytes >= batch_bytes;
  if (ring.is_bounded) {
    return;
  }
  const std::size_t most_packets = most_packets_ - ring.held.size();
  const std::size_t most_bytes = batch_bytes - held_bytes;
  records_.clear();
  ring.reader->collect(records_, most_packets, most_bytes);
  for (const RingRecord& record : records_) {
    if (const std::optional<Packet> packet = decode_record(record.bytes, ring.number)) {
      ring.held.push_back({.packet = *packet, .start = record.start});
    } else {
      ++corrupt_records_;
    }
  }
  if (!std::ranges::is_sorted(ring.held, {}, ktime_of)) {
    // No CPU does that; but what is read here is what merging relies on.
    std::ranges::sort(ring.held, {},
                      [](const Pending& held) { return std::pair(ktime_of(held), held.start); });
  }
  ring.is_bounded =
      records_.size() == most_packets || ring.reader->position() - first >= most_bytes;
}

/// Whether holding packets back any longer would leave others no place, here or in the ring.
bool TimeOrder::Ring::has_to_go_on() const {
  return is_bounded || reader->used_bytes() > reader->size_bytes() / kRingShare;
}

std::span<const TimeOrder::Pending> TimeOrder::ready(std::uint64_t horizon_ktime_ns) {
  std::uint64_t horizon = horizon_ktime_ns;
  std::uint64_t forced = 0;
  for (const Ring& ring : rings_) {
    if (ring.is_bounded && !ring.held.empty()) {
      const std::uint64_t newest = ktime_of(ring.held.back());
      horizon = std::min(horizon, newest - std::min(newest, look_back_ns_));
    }
    if (!ring.held.empty() && ring.has_to_go_on()) {
      forced = std::max(forced, ktime_of(ring.held[older_half(ring.held) - 1]));
    }
  }
  for (Ring& ring : rings_) {
    ring.ready = std::max(packets_up_to(ring.held, horizon), packets_before(ring.held, forced));
    if (!ring.held.empty() && ring.has_to_go_on()) {
      ring.ready = std::max(ring.ready, older_half(ring.held));
    }
  }
  return merge();
}

/// What is ready of all rings; where only one has any, it is not copied.
std::span<const TimeOrder::Pending> TimeOrder::merge() {
  // A heap of rings, the one with the oldest packet in front.
  heads_.clear();
  std::size_t total = 0;
  for (std::size_t i = 0; i < rings_.size(); ++i) {
    rings_[i].merged = 0;
    if (rings_[i].ready > 0) {
      heads_.push_back(i);
      total += rings_[i].ready;
    }
  }
  if (heads_.empty()) {
    return {};
  }
  if (heads_.size() == 1) {
    const Ring& only = rings_[heads_.front()];
    return std::span(only.held).first(only.ready);
  }
  const auto next_time = [&](std::size_t ring) {
    return std::pair(ktime_of(rings_[ring].held[rings_[ring].merged]), ring);
  };
  const auto is_younger = [&](std::size_t left, std::size_t right) {
    return next_time(left) > next_time(right);
  };
  std::ranges::make_heap(heads_, is_younger);
  merged_.clear();
  merged_.reserve(total);
  while (!heads_.empty()) {
    std::ranges::pop_heap(heads_, is_younger);
    Ring& ring = rings_[heads_.back()];
    merged_.push_back(ring.held[ring.merged]);
    if (++ring.merged < ring.ready) {
      std::ranges::push_heap(heads_, is_younger);
    } else {
      heads_.pop_back();
    }
  }
  return merged_;
}

void TimeOrder::release() {
  for (Ring& ring : rings_) {
    const RingPosition position = ring.reader->position();
    if (ring.held.empty() && ring.released == position) {
      continue;
    }
    ring.held.erase(ring.held.begin(), ring.held.begin() + static_cast<std::ptrdiff_t>(ring.ready));
    ring.ready = 0;
    ring.released = position;
    for (const Pending& held : ring.held) {
      ring.released = std::min(ring.released, held.start);
    }
    ring.reader->release(ring.released);
  }
}

bool TimeOrder::is_waiting() const {
  return std::ranges::any_of(
      rings_, [](const Ring& ring) { return !ring.held.empty() || !ring.reader->is_exhausted(); });
}

std::uint64_t TimeOrder::corrupt_records() const {
  std::uint64_t all = corrupt_records_;
  for (const Ring& ring : rings_) {
    all += ring.reader->corrupt_records();
  }
  return all;
}

}  // namespace xdpcap

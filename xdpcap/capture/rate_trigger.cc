// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/rate_trigger.h"

#include <algorithm>

namespace xdpcap {

std::optional<std::uint64_t> RateTrigger::look(std::uint64_t now_ns,
                                               std::uint64_t received_packets) {
  constexpr std::uint64_t kWindowNs = 1'000'000'000;
  const std::uint64_t packets =
      looks_.empty() ? received_packets : std::max(received_packets, looks_.back().packets);
  looks_.push_back({now_ns, packets});
  while (looks_.size() > 1 && now_ns - looks_[1].at_ns >= kWindowNs) {
    looks_.pop_front();
  }
  const Look& first = looks_.front();
  const std::uint64_t window_ns = std::max(now_ns - first.at_ns, kWindowNs);
  // In floating point: packets times nanoseconds can be more than 64 bits hold.
  const auto rate =
      static_cast<std::uint64_t>(static_cast<double>(packets - first.packets) *
                                 static_cast<double>(kWindowNs) / static_cast<double>(window_ns));
  if (rate < limit_.packets_per_second) {
    is_armed_ = true;
  }
  if (rate <= limit_.packets_per_second || !is_armed_) {
    return std::nullopt;
  }
  is_armed_ = false;
  return rate;
}

}  // namespace xdpcap

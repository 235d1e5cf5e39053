// SPDX-License-Identifier: BSD-3-Clause
//
// What a capture holds back in the kernel, so that what is not wanted costs next to nothing.

#pragma once

#include <cstdint>
#include <optional>

namespace xdpcap {

/// How many flows are remembered, in some 10 MiB.
inline constexpr std::uint32_t kMostFlows = 65536;

/// What a packet that the filter matched must pass to be recorded, in this order.
struct CaptureLimits {
  /// One in so many, at random; at least 1.
  std::optional<std::uint32_t> sample_one_in = std::nullopt;
  /// So many a second of each action, over all CPUs, in bursts of at most a tenth of that; at least 1.
  std::optional<std::uint32_t> packets_per_second = std::nullopt;
  /// The first so many of each flow (flow_code.h); at least 1.  The least recently seen of more than
  /// kMostFlows are forgotten, and count anew when they come again.
  std::optional<std::uint64_t> packets_per_flow = std::nullopt;
  /// So many in all, over all actions and CPUs; at least 1.
  std::optional<std::uint64_t> most_packets = std::nullopt;

  bool any() const {
    return sample_one_in || packets_per_second || packets_per_flow || most_packets;
  }
  /// Whether CPUs must agree on something.
  bool are_shared() const { return packets_per_second || most_packets; }
  bool operator==(const CaptureLimits&) const = default;
};

}  // namespace xdpcap

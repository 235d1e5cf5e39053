// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <cstdint>
#include <vector>

namespace bench {

/// An Ethernet frame with IPv4 and UDP from port 1 to `port`, to a host that nobody is.
/// Units: `size_bytes` without the frame check sequence, at least 42.
std::vector<std::uint8_t> udp_packet(std::size_t size_bytes, std::uint16_t port);

}  // namespace bench

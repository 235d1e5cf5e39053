// SPDX-License-Identifier: BSD-3-Clause
//
// Where things lie in an XDP program's context.
//
// Source: Linux v6.18 include/uapi/linux/bpf.h struct xdp_md.

#pragma once

#include <cstdint>

namespace xdpcap::context {

inline constexpr std::int16_t kData = 0;
inline constexpr std::int16_t kDataEnd = 4;
inline constexpr std::int16_t kIngressIfindex = 12;
inline constexpr std::int16_t kRxQueueIndex = 16;

}  // namespace xdpcap::context

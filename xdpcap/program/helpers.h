// SPDX-License-Identifier: BSD-3-Clause
//
// Numbers of the kernel's helper functions that capture programs call.
//
// Source: Linux v6.18 include/uapi/linux/bpf.h ___BPF_FUNC_MAPPER.

#pragma once

#include <cstdint>

namespace xdpcap::helper {

inline constexpr std::int32_t kMapLookupElem = 1;
inline constexpr std::int32_t kMapUpdateElem = 2;
inline constexpr std::int32_t kKtimeGetNs = 5;
inline constexpr std::int32_t kGetSmpProcessorId = 8;
inline constexpr std::int32_t kTailCall = 12;
inline constexpr std::int32_t kPerfEventOutput = 25;
inline constexpr std::int32_t kProbeReadKernel = 113;
inline constexpr std::int32_t kJiffies64 = 118;
inline constexpr std::int32_t kRingbufReserve = 131;
inline constexpr std::int32_t kRingbufSubmit = 132;
inline constexpr std::int32_t kRingbufDiscard = 133;
inline constexpr std::int32_t kRingbufQuery = 134;
inline constexpr std::int32_t kKtimeGetCoarseNs = 160;
inline constexpr std::int32_t kXdpGetBuffLen = 188;
inline constexpr std::int32_t kXdpLoadBytes = 189;
inline constexpr std::int32_t kRingbufReserveDynptr = 198;
inline constexpr std::int32_t kRingbufSubmitDynptr = 199;
inline constexpr std::int32_t kRingbufDiscardDynptr = 200;
inline constexpr std::int32_t kDynptrData = 203;

}  // namespace xdpcap::helper

// Where things lie in an XDP program's context.
//
// Source: Linux v6.18 include/uapi/linux/bpf.h struct xdp_md.

namespace xdpcap::context {

inline constexpr std::int16_t kData = 0;
inline constexpr std::int16_t kDataEnd = 4;
inline constexpr std::int16_t kIngressIfindex = 12;
inline constexpr std::int16_t kRxQueueIndex = 16;

}  // namespace xdpcap::context

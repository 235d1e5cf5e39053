// SPDX-License-Identifier: BSD-3-Clause
//
// Numbers to and from little-endian bytes, on any host.

#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

namespace xdpcap {

/// Writes `value` to the sizeof(T) bytes at `at`, lowest byte first.
template <std::unsigned_integral T>
inline void store_le(std::uint8_t* at, T value) {
  if constexpr (std::endian::native == std::endian::big) {
    value = std::byteswap(value);
  }
  std::memcpy(at, &value, sizeof value);
}

/// Reads what store_le() wrote.
inline std::uint32_t load_le32(const std::uint8_t* at) {
  std::uint32_t value = 0;
  std::memcpy(&value, at, sizeof value);
  if constexpr (std::endian::native == std::endian::big) {
    value = std::byteswap(value);
  }
  return value;
}

}  // namespace xdpcap

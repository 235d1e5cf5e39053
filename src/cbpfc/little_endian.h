// SPDX-License-Identifier: BSD-3-Clause
//
// Numbers into the bytes of a file, whatever the machine.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cbpfc {

using Bytes = std::vector<std::uint8_t>;

/// Appends the low `size_bytes` bytes of `value`.
inline void put_little_endian(Bytes& bytes, std::uint64_t value, std::size_t size_bytes) {
  for (std::size_t i = 0; i < size_bytes; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
}

inline void put_u16(Bytes& bytes, std::uint16_t value) {
  put_little_endian(bytes, value, 2);
}
inline void put_u32(Bytes& bytes, std::uint32_t value) {
  put_little_endian(bytes, value, 4);
}
inline void put_u64(Bytes& bytes, std::uint64_t value) {
  put_little_endian(bytes, value, 8);
}

}  // namespace cbpfc

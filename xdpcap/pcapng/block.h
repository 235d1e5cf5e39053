// SPDX-License-Identifier: BSD-3-Clause
//
// The shape that all pcapng blocks share, for writing and for walking.
//
//     offset  bytes
//     0       4      type
//     4       4      length of the whole block, n, a multiple of 4
//     8       n-12   body; at its end options: code (2), length (2), value, zeros up to a multiple
//     of 4 n-4     4      n again
//
// Source: draft-ietf-opsawg-pcapng sections 3.1 (blocks) and 3.5 (options).
// Tested by: xdpcap/tests/pcapng/block_test.cc.

#pragma once

#include <algorithm>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/little_endian.h"

namespace xdpcap {

enum class BlockType : std::uint32_t {
  InterfaceDescription = 1,
  NameResolution = 4,
  InterfaceStatistics = 5,
  EnhancedPacket = 6,
  SectionHeader = 0x0a0d0d0a,
};

/// Type and the two lengths.
inline constexpr std::size_t kBlockFrameBytes = 12;

/// Most bytes the value of one option can have: its length has 16 bits.
inline constexpr std::size_t kMaxOptionBytes = 65535;

constexpr std::size_t round_up_to_4(std::size_t bytes) {
  return (bytes + 3) & ~std::size_t{3};
}

/// Bytes an option takes in a block.
constexpr std::size_t option_bytes(std::size_t value_bytes) {
  return 4 + round_up_to_4(value_bytes);
}

/// Bytes of opt_endofopt.
inline constexpr std::size_t kEndOfOptionsBytes = 4;

/// Codes and record types with the highest bit set are for local use; a reader that does not know
/// one passes over it. Source: draft-ietf-opsawg-pcapng sections 3.5.1 (option codes) and 4.5
/// (record types).
inline constexpr std::uint16_t kLocalUse = 0x8000;

/// Writes one block front to back into memory the caller made large enough.
///
/// All of it is inline: a capture spends a third of its reader's time here.
/// Ownership: borrows the memory at `at`.
class BlockWriter {
 public:
  BlockWriter(std::uint8_t* at, BlockType type, std::size_t length_bytes)
      : next_(at), length_bytes_(static_cast<std::uint32_t>(length_bytes)) {
    put(static_cast<std::uint32_t>(type));
    put(length_bytes_);
  }

  template <std::unsigned_integral T>
  void put(T value) {
    store_le(next_, value);
    next_ += sizeof value;
  }

  /// Copies `bytes` and adds zeros up to a multiple of 4.
  void put_padded(std::span<const std::uint8_t> bytes) {
    const std::size_t padded_bytes = round_up_to_4(bytes.size());
    if (!bytes.empty()) {
      store_le(next_ + padded_bytes - 4, std::uint32_t{0});
      std::memcpy(next_, bytes.data(), bytes.size());
    }
    next_ += padded_bytes;
  }

  /// Adds an option.
  void put_option(std::uint16_t code, std::span<const std::uint8_t> value) {
    assert(value.size() <= kMaxOptionBytes);
    put(code);
    put(static_cast<std::uint16_t>(value.size()));
    put_padded(value);
  }

  /// Ends the options and the block, which grows by `padding_bytes`: 0, or at least 4 and a
  /// multiple of 4, spent on an option of the local-use range without meaning.
  void end(std::size_t padding_bytes) {
    if (padding_bytes > 0) {
      put(kLocalUse);
      put(static_cast<std::uint16_t>(padding_bytes - 4));
      next_ = std::fill_n(next_, padding_bytes - 4, std::uint8_t{0});
    }
    put(std::uint32_t{0});  // opt_endofopt
    put(length_bytes_);
  }

 private:
  std::uint8_t* next_;
  std::uint32_t length_bytes_;
};

/// Writes a block of `length_bytes` (at least 16, a multiple of 4) that readers skip.
void write_filler(std::uint8_t* at, std::size_t length_bytes);

/// `text` without what exceeds `max_bytes`, cut between two UTF-8 characters.
std::string_view cut_text(std::string_view text, std::size_t max_bytes);

inline std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Length of the whole blocks at the front of `blocks` that end within its first `limit_bytes`.
///
/// A length field no block can have ends the walk, so hostile bytes cannot make it endless.
std::size_t whole_blocks_bytes(std::span<const std::uint8_t> blocks, std::size_t limit_bytes);

/// Length of the block at the front of `blocks`; all of them when its length field makes no sense.
std::size_t first_block_bytes(std::span<const std::uint8_t> blocks);

}  // namespace xdpcap

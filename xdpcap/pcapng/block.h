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
#include <bit>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace xdpcap {

/// Writes `value` to the sizeof(T) bytes at `at`, lowest byte first, on any host.
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

inline std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Length of the whole blocks at the front of `blocks` that end within its first `limit_bytes`.
///
/// A length field no block can have ends the walk, so hostile bytes cannot make it endless.
std::size_t whole_blocks_bytes(std::span<const std::uint8_t> blocks, std::size_t limit_bytes);

/// Length of the block at the front of `blocks`; all of them when its length field makes no sense.
std::size_t first_block_bytes(std::span<const std::uint8_t> blocks);

// Where a block may lie in a file that a kill must not spoil.
//
// A write(2) to a regular file copies page by page, and a process that has been sent SIGKILL leaves
// it between two pages.  The file then ends at a multiple of the page size.  A reader complains
// about a file that ends inside a block, so no block may lie across such a multiple (the boundary):
//
//     4096                          8192
//      |  packet   packet   packet   |          wrong: a file cut at 8192 ends inside the third
//      |  packet   packet   filler   |  packet  right: filler up to the boundary
//
// The filler is a block of its own, which takes 16 bytes at least.  So a block that would leave 4,
// 8 or 12 bytes before the boundary is made that much longer and ends on it.
//
// Cost: bytes of filler; docs/pcapng.md has them measured.
// Does not: protect blocks longer than the boundary; they have to cross one and start anywhere.
// Source: Linux mm/filemap.c generic_perform_write(), fs/iomap/buffered-io.c iomap_write_iter(),
// which look for a fatal signal once a page (or a larger folio, which ends at a multiple of the
// page size too). Tested by: block_layout_test.cc, cut_file_test.cc, kill_test.cc.

struct BlockPosition {
  std::size_t filler_bytes = 0;   ///< length of a filler block before the block; 0: none
  std::size_t padding_bytes = 0;  ///< what the block has to grow by: 0, 4, 8 or 12
  friend bool operator==(const BlockPosition&, const BlockPosition&) = default;
};

/// Shortest filler block.
inline constexpr std::size_t kMinFillerBytes = 16;

/// Largest boundary, so that a filler block needs one record only.
inline constexpr std::uint32_t kMaxBoundaryBytes = 65536;

/// The boundary to keep for a sink: `boundary_bytes`, or 0 (none) if blocks, whose lengths are
/// multiples of 4, cannot meet it from `start_offset_bytes` on.
std::uint32_t usable_boundary(std::uint32_t boundary_bytes, std::uint64_t start_offset_bytes);

/// Finds the place of a block of `block_bytes` after file offset `offset_bytes`.
///
/// `may_fill` is false for the first section header: what precedes it belongs to somebody else's section.
/// Units: `boundary_bytes` as from usable_boundary().
BlockPosition position_block(std::uint64_t offset_bytes, std::size_t block_bytes,
                             std::uint32_t boundary_bytes, bool may_fill = true);

}  // namespace xdpcap

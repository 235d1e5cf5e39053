// SPDX-License-Identifier: BSD-3-Clause
//
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

#pragma once

#include <cstddef>
#include <cstdint>

namespace xdpcap {

struct BlockPlace {
  std::size_t filler_bytes = 0;   ///< length of a filler block before the block; 0: none
  std::size_t padding_bytes = 0;  ///< what the block has to grow by: 0, 4, 8 or 12
  friend bool operator==(const BlockPlace&, const BlockPlace&) = default;
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
BlockPlace place_block(std::uint64_t offset_bytes, std::size_t block_bytes,
                       std::uint32_t boundary_bytes, bool may_fill = true);

}  // namespace xdpcap

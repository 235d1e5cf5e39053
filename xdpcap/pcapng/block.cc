// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/pcapng/block.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace xdpcap {
void write_filler(std::uint8_t* at, std::size_t length_bytes) {
  assert(length_bytes >= kMinFillerBytes && length_bytes % 4 == 0);
  BlockWriter block(at, BlockType::NameResolution, length_bytes);
  // The end of the records looks like the end of the options, and what may stand before it, like an
  // option: one record of a type nobody knows.
  block.end(length_bytes - kMinFillerBytes);
}

std::size_t first_block_bytes(std::span<const std::uint8_t> blocks) {
  if (blocks.size() < kBlockFrameBytes) {
    return blocks.size();
  }
  const std::size_t length_bytes = load_le32(blocks.data() + 4);
  const bool possible =
      length_bytes >= kBlockFrameBytes && length_bytes % 4 == 0 && length_bytes <= blocks.size();
  return possible ? length_bytes : blocks.size();
}

std::size_t whole_blocks_bytes(std::span<const std::uint8_t> blocks, std::size_t limit_bytes) {
  std::size_t end = 0;
  while (end < blocks.size()) {
    const std::size_t next = end + first_block_bytes(blocks.subspan(end));
    if (next > limit_bytes) {
      break;
    }
    end = next;
  }
  return end;
}

namespace {

/// Pages are powers of two, and a division for every packet is dear.
std::size_t remainder(std::size_t bytes, std::size_t boundary) {
  return std::has_single_bit(boundary) ? bytes & (boundary - 1) : bytes % boundary;
}

}  // namespace

std::uint32_t usable_boundary(std::uint32_t boundary_bytes, std::uint64_t start_offset_bytes) {
  const bool usable = boundary_bytes % 4 == 0 && boundary_bytes >= 2 * kMinFillerBytes &&
                      boundary_bytes <= kMaxBoundaryBytes && start_offset_bytes % 4 == 0;
  return usable ? boundary_bytes : 0;
}

BlockPosition position_block(std::uint64_t offset_bytes, std::size_t block_bytes,
                             std::uint32_t boundary_bytes, bool may_fill) {
  BlockPosition place;
  if (boundary_bytes == 0) {
    return place;
  }
  const std::size_t boundary = boundary_bytes;
  auto in_page_bytes = remainder(static_cast<std::size_t>(offset_bytes), boundary);
  const std::size_t room_bytes = boundary - in_page_bytes;
  // Less room than a filler needs is left only where a file that was appended to ended.
  if (may_fill && block_bytes > room_bytes && block_bytes <= boundary &&
      room_bytes >= kMinFillerBytes) {
    place.filler_bytes = room_bytes;
    in_page_bytes = 0;
  }
  const std::size_t left_bytes = boundary - remainder(in_page_bytes + block_bytes, boundary);
  if (left_bytes < kMinFillerBytes) {
    place.padding_bytes = left_bytes;
  }
  return place;
}

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/pcapng/block.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "xdpcap/pcapng/block_layout.h"

namespace xdpcap {
void write_filler(std::uint8_t* at, std::size_t length_bytes) {
  assert(length_bytes >= kMinFillerBytes && length_bytes % 4 == 0);
  BlockWriter block(at, BlockType::NameResolution, length_bytes);
  // The end of the records looks like the end of the options, and what may stand before it, like an
  // option: one record of a type nobody knows.
  block.end(length_bytes - kMinFillerBytes);
}

std::string_view cut_text(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) {
    return text;
  }
  std::size_t end = max_bytes;
  // 10xxxxxx goes on with a character; no character has more than three of them.
  for (int step = 0; step < 3 && end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80;
       ++step) {
    --end;
  }
  return text.substr(0, end);
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

}  // namespace xdpcap

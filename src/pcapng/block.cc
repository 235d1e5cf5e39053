// SPDX-License-Identifier: BSD-3-Clause

#include "pcapng/block.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "pcapng/block_layout.h"

namespace xdpcap {
namespace {

/// Codes and record types with the highest bit set are for local use; a reader that does not know
/// one passes over it. Source: draft-ietf-opsawg-pcapng sections 3.5.1 (option codes) and 4.5
/// (record types).
constexpr std::uint16_t kLocalUse = 0x8000;

}  // namespace

void BlockWriter::put_padded(std::span<const std::uint8_t> bytes) {
  const std::size_t padded_bytes = round_up_to_4(bytes.size());
  if (!bytes.empty()) {
    store_le(next_ + padded_bytes - 4, std::uint32_t{0});
    std::memcpy(next_, bytes.data(), bytes.size());
  }
  next_ += padded_bytes;
}

void BlockWriter::put_option(std::uint16_t code, std::span<const std::uint8_t> value) {
  assert(value.size() <= kMaxOptionBytes);
  put(code);
  put(static_cast<std::uint16_t>(value.size()));
  put_padded(value);
}

void BlockWriter::end(std::size_t padding_bytes) {
  if (padding_bytes > 0) {
    put(kLocalUse);
    put(static_cast<std::uint16_t>(padding_bytes - 4));
    next_ = std::fill_n(next_, padding_bytes - 4, std::uint8_t{0});
  }
  put(std::uint32_t{0});  // opt_endofopt
  put(length_bytes_);
}

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

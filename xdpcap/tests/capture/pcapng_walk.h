// SPDX-License-Identifier: BSD-3-Clause
//
// Just enough pcapng reading to see what the loop wrote; the format itself is tested elsewhere.

#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace xdpcap::test {

struct WalkedOption {
  std::uint16_t code;
  std::vector<std::uint8_t> value;
};

struct WalkedBlock {
  std::uint32_t type;
  std::span<const std::uint8_t> body;  ///< without type and lengths
};

template <typename T>
T read_le(std::span<const std::uint8_t> bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes.subspan(offset, sizeof(T)).data(), sizeof(T));
  return value;
}

inline std::vector<WalkedBlock> walk_blocks(std::span<const std::uint8_t> file) {
  std::vector<WalkedBlock> blocks;
  while (file.size() >= 12) {
    const auto length = read_le<std::uint32_t>(file, 4);
    blocks.push_back({read_le<std::uint32_t>(file, 0), file.subspan(8, length - 12)});
    file = file.subspan(length);
  }
  return blocks;
}

inline std::vector<WalkedOption> walk_options(std::span<const std::uint8_t> bytes) {
  std::vector<WalkedOption> options;
  while (bytes.size() >= 4) {
    const auto code = read_le<std::uint16_t>(bytes, 0);
    const auto length = read_le<std::uint16_t>(bytes, 2);
    if (code == 0) {
      break;
    }
    const auto value = bytes.subspan(4, length);
    options.push_back({code, {value.begin(), value.end()}});
    bytes = bytes.subspan(4 + (length + 3U) / 4 * 4);
  }
  return options;
}

/// An enhanced packet block.
struct WalkedPacket {
  std::uint32_t interface;
  std::uint64_t time_ns;
  std::uint32_t captured_bytes;
  std::uint32_t wire_length_bytes;
  std::uint8_t first_byte;
  std::string comment;
  std::uint64_t lost_before;
};

inline std::vector<WalkedPacket> walk_packets(std::span<const std::uint8_t> file) {
  std::vector<WalkedPacket> packets;
  for (const WalkedBlock& block : walk_blocks(file)) {
    if (block.type != 6) {
      continue;
    }
    WalkedPacket packet{.interface = read_le<std::uint32_t>(block.body, 0),
                        .time_ns = std::uint64_t{read_le<std::uint32_t>(block.body, 4)} << 32U |
                                   read_le<std::uint32_t>(block.body, 8),
                        .captured_bytes = read_le<std::uint32_t>(block.body, 12),
                        .wire_length_bytes = read_le<std::uint32_t>(block.body, 16),
                        .first_byte = block.body[20],
                        .comment = {},
                        .lost_before = 0};
    const std::size_t padded_bytes = (packet.captured_bytes + 3U) / 4 * 4;
    for (const WalkedOption& option : walk_options(block.body.subspan(20 + padded_bytes))) {
      if (option.code == 1) {
        packet.comment.assign(option.value.begin(), option.value.end());
      } else if (option.code == 4) {
        packet.lost_before = read_le<std::uint64_t>(option.value, 0);
      }
    }
    packets.push_back(packet);
  }
  return packets;
}

}  // namespace xdpcap::test

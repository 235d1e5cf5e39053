// SPDX-License-Identifier: BSD-3-Clause
//
// Source: draft-ietf-opsawg-pcapng, "General Block Structure" to "Simple Packet Block", and the obsolete "Packet Block".

#include "verify/check/pcapng_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace check {

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Result;

namespace {

constexpr std::uint32_t kSection = 0x0a0d0d0a;  // reads the same both ways
constexpr std::uint32_t kInterface = 1;
constexpr std::uint32_t kOldPacket = 2;
constexpr std::uint32_t kSimplePacket = 3;
constexpr std::uint32_t kEnhancedPacket = 6;

constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;

/// Type and length in front of a block's body, the length again behind it.
constexpr std::size_t kHeadBytes = 8;
constexpr std::size_t kTrailerBytes = 4;
constexpr std::size_t kMostBlockBytes = std::size_t{16} << 20U;

std::unexpected<cbpfc::Error> damaged(const std::string& why) {
  return fail(Errc::Io, why);
}

}  // namespace

std::uint16_t PcapngReader::half(std::size_t offset) const {
  std::uint16_t value = 0;
  std::memcpy(&value, &block_.at(offset), sizeof value);
  return is_swapped_ ? std::byteswap(value) : value;
}

std::uint32_t PcapngReader::word(std::size_t offset) const {
  std::uint32_t value = 0;
  std::memcpy(&value, &block_.at(offset), sizeof value);
  return is_swapped_ ? std::byteswap(value) : value;
}

/// Appends to the block; memory is taken as bytes come, not as a damaged file says.
Result<void> PcapngReader::read_bytes(std::size_t size) {
  constexpr std::size_t kMostAtOnce = 65536;
  for (std::size_t left = size; left > 0;) {
    const std::size_t start = block_.size();
    const std::size_t wanted = std::min(left, kMostAtOnce);
    block_.resize(start + wanted);
    errno = 0;
    const std::size_t got = std::fread(&block_[start], 1, wanted, stream_);
    if (got != wanted) {
      block_.resize(start + got);
      return std::ferror(stream_) != 0 ? fail(Errc::Io, xdpcap::errno_text(errno), errno)
                                       : damaged("the file ends inside a block");
    }
    left -= wanted;
  }
  return {};
}

/// Of a section, which says so behind its length.
Result<void> PcapngReader::read_byte_order() {
  constexpr std::size_t kMagicAt = 8;
  TRY(read_bytes(sizeof kByteOrderMagic));
  is_swapped_ = false;
  const std::uint32_t magic = word(kMagicAt);
  if (magic != kByteOrderMagic && std::byteswap(magic) != kByteOrderMagic) {
    return damaged("a section header has no byte-order magic");
  }
  is_swapped_ = magic != kByteOrderMagic;
  return {};
}

/// The next block; false at the file's end.
Result<bool> PcapngReader::read_block() {
  block_.clear();
  if (const Result<void> head = read_bytes(kHeadBytes); !head) {
    const bool is_at_end = block_.empty() && std::feof(stream_) != 0;
    return is_at_end ? Result<bool>(false) : std::unexpected(head.error());
  }
  if (word(0) == kSection) {
    TRY(read_byte_order());
  }
  const std::size_t size = word(4);
  if (size < block_.size() + kTrailerBytes || size % 4 != 0 || size > kMostBlockBytes) {
    return damaged(fmt::format("a block has the impossible length {}", size));
  }
  TRY(read_bytes(size - block_.size()));
  if (word(size - kTrailerBytes) != size) {
    return damaged(fmt::format("a block has length {} at its start and {} at its end", size,
                               word(size - kTrailerBytes)));
  }
  return true;
}

Result<void> PcapngReader::begin_section() {
  constexpr std::size_t kLeastBytes = 28;
  constexpr std::size_t kMajorAt = 12;
  if (block_.size() < kLeastBytes) {
    return damaged("a section's header is too short");
  }
  if (half(kMajorAt) != 1) {
    return damaged(fmt::format("a section has the unknown version {}", half(kMajorAt)));
  }
  interfaces_.clear();
  return {};
}

Result<void> PcapngReader::add_interface() {
  constexpr std::size_t kLeastBytes = 20;
  constexpr std::size_t kSnapshotAt = 12;
  if (block_.size() < kLeastBytes) {
    return damaged("an interface's block is too short");
  }
  interfaces_.push_back({.linktype = half(kHeadBytes), .snapshot_bytes = word(kSnapshotAt)});
  return {};
}

Result<PcapngPacket> PcapngReader::packet_of(std::size_t interface, std::size_t header_bytes,
                                             std::uint32_t captured, std::uint32_t on_wire) const {
  if (interface >= interfaces_.size()) {
    return damaged(
        fmt::format("it names interface {}, which the file does not describe", interface));
  }
  const std::size_t room = block_.size() - header_bytes - kTrailerBytes;
  if (captured > room) {
    return damaged(fmt::format("it claims {} bytes, but its block holds {}", captured, room));
  }
  return PcapngPacket{.bytes = std::span(block_).subspan(header_bytes, captured),
                      .wire_length_bytes = on_wire,
                      .linktype = interfaces_[interface].linktype,
                      .is_swapped = is_swapped_,
                      .block_bytes = block_.size()};
}

/// Of an old packet, too, which differs in the interface's size alone.
Result<PcapngPacket> PcapngReader::enhanced_packet() const {
  constexpr std::size_t kHeaderBytes = 28;
  if (block_.size() < kHeaderBytes + kTrailerBytes) {
    return damaged("its block is too short");
  }
  const std::size_t interface = word(0) == kEnhancedPacket ? word(kHeadBytes) : half(kHeadBytes);
  return packet_of(interface, kHeaderBytes, word(20), word(24));
}

Result<PcapngPacket> PcapngReader::simple_packet() const {
  constexpr std::size_t kHeaderBytes = 12;
  if (block_.size() < kHeaderBytes + kTrailerBytes) {
    return damaged("its block is too short");
  }
  const std::uint32_t on_wire = word(kHeadBytes);
  const std::uint32_t most = interfaces_.empty() ? 0 : interfaces_.front().snapshot_bytes;
  return packet_of(0, kHeaderBytes, most == 0 ? on_wire : std::min(on_wire, most), on_wire);
}

Result<void> PcapngReader::begin() {
  while (TRY(read_block())) {
    switch (word(0)) {
      case kSection: TRY(begin_section()); break;
      case kInterface: return add_interface();
      case kOldPacket:
      case kSimplePacket:
      case kEnhancedPacket: return damaged("a packet comes before the first interface");
      default: break;
    }
  }
  return damaged("it describes no interface");
}

Result<std::optional<PcapngPacket>> PcapngReader::next() {
  while (TRY(read_block())) {
    switch (word(0)) {
      case kSection: TRY(begin_section()); break;
      case kInterface: TRY(add_interface()); break;
      case kOldPacket:
      case kEnhancedPacket: return TRY(enhanced_packet());
      case kSimplePacket: return TRY(simple_packet());
      default: break;
    }
  }
  return std::nullopt;
}

}  // namespace check

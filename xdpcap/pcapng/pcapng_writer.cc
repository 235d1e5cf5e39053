// SPDX-License-Identifier: BSD-3-Clause
//
// Lays blocks into one buffer and hands the buffer to the sink whenever it holds kFlushBytes.
//
//     buffer   | packet | packet | filler | packet | ...             |  room for one more block  |
//              0                                                kFlushBytes kBufferBytes
//
// A packet's bytes are copied once, from the ring to the buffer.  The length of a packet's block is
// known before it is written, so its place before or after a page boundary (block.h) is
// decided first and nothing moves.
//
// Cost: nothing is allocated for a packet.  Delivered packets are counted when a whole buffer has
// arrived; only after an error is the buffer walked to see how many blocks did.
// Sources: draft-ietf-opsawg-pcapng, sections named at the constants.
// Tested by: xdpcap/tests/pcapng/pcapng_writer_test.cc, read_back_test.cc, sink_failure_test.cc.

#include "xdpcap/pcapng/pcapng_writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "base/text.h"
#include "xdpcap/pcapng/block.h"
#include "xdpcap/pcapng/option_block.h"

namespace xdpcap {
namespace {

constexpr std::size_t kFlushBytes = std::size_t{1} << 20;

/// Longer than a section header with four options of the greatest length, the longest block there
/// is.
constexpr std::size_t kMaxBlockBytes = std::size_t{320} << 10;
constexpr std::size_t kBufferBytes = kFlushBytes + kMaxBoundaryBytes + kMaxBlockBytes;

/// What a block can grow by at its end for the sake of its place.
constexpr std::size_t kMaxPaddingBytes = kMinFillerBytes - 4;

constexpr std::uint32_t kMaxPacketBytes = 65535;

/// Section 4.3: fixed part, and the options' codes.
constexpr std::size_t kPacketFixedBytes = 20;
constexpr std::uint16_t kEpbFlags = 2, kEpbDropcount = 4, kEpbQueue = 6, kEpbVerdict = 7;
constexpr std::uint32_t kFlagInbound = 1;
constexpr std::uint8_t kVerdictEbpfXdp = 2;

/// Options every packet has: flags, queue, verdict.
constexpr std::size_t kPacketOptionsBytes = option_bytes(4) + option_bytes(4) + option_bytes(9);

static_assert(kBlockFrameBytes + 16 + 4 * option_bytes(kMaxOptionBytes) + kEndOfOptionsBytes +
                  kMaxPaddingBytes <=
              kMaxBlockBytes);

void put_u32_option(BlockWriter& block, std::uint16_t code, std::uint32_t value) {
  block.put(code);
  block.put(std::uint16_t{4});
  block.put(value);
}

void put_packet(BlockWriter& block, const PcapngPacket& packet,
                std::span<const std::uint8_t> captured, std::string_view comment) {
  const auto captured_bytes = static_cast<std::uint32_t>(captured.size());
  block.put(packet.interface);
  block.put(static_cast<std::uint32_t>(packet.wall_time_ns >> 32));
  block.put(static_cast<std::uint32_t>(packet.wall_time_ns));
  block.put(captured_bytes);
  block.put(std::max(packet.wire_length_bytes, static_cast<std::uint32_t>(packet.bytes.size())));
  block.put_padded(captured);
  put_u32_option(block, kEpbFlags, kFlagInbound);
  if (packet.lost_before_packets > 0) {
    block.put(kEpbDropcount);
    block.put(std::uint16_t{8});
    block.put(packet.lost_before_packets);
  }
  put_u32_option(block, kEpbQueue, packet.queue);
  block.put(kEpbVerdict);
  block.put(std::uint16_t{9});
  block.put(kVerdictEbpfXdp);
  block.put(packet.xdp_verdict);
  block.put(std::uint8_t{0});  // up to a multiple of 4
  block.put(std::uint16_t{0});
  if (!comment.empty()) {
    block.put_option(kOptComment, as_bytes(comment));
  }
}

}  // namespace

PcapngWriter::PcapngWriter(ByteSink& sink)
    : sink_(&sink),
      boundary_bytes_(usable_boundary(sink.block_boundary_bytes(), sink.start_offset_bytes())),
      sent_offset_bytes_(sink.start_offset_bytes() + sink.written_bytes()),
      buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kBufferBytes)) {}

Result<PcapngWriter> PcapngWriter::start(ByteSink& sink, const PcapngSection& section) {
  PcapngWriter writer(sink);
  TRY(writer.begin_section(section));
  return writer;
}

Result<void> PcapngWriter::begin_section(const PcapngSection& section) {
  TRY(flush());
  max_captured_bytes_ = section.snaplen_bytes == 0
                            ? kMaxPacketBytes
                            : std::min(section.snaplen_bytes, kMaxPacketBytes);
  counts_.resize(section.interfaces.size());
  TRY(append(section_block(section)));
  for (const PcapngInterface& interface : section.interfaces) {
    TRY(append(interface_block(interface, section)));
  }
  TRY(flush());
  has_section_ = true;
  return {};
}

std::size_t PcapngWriter::buffer_bytes() {
  return kBufferBytes;
}

Result<void> PcapngWriter::write(const PcapngPacket& packet) {
  if (packet.interface >= counts_.size()) {
    return fail(Errc::InvalidArgument,
                fmt::format("write packet: interface {} does not exist, the section has {}",
                            packet.interface, counts_.size()));
  }
  const auto captured =
      packet.bytes.first(std::min<std::size_t>(packet.bytes.size(), max_captured_bytes_));
  const std::string_view comment = cut_text(packet.comment, kMaxOptionBytes);
  const std::size_t length_bytes =
      kBlockFrameBytes + kPacketFixedBytes + round_up_to_4(captured.size()) + kPacketOptionsBytes +
      (packet.lost_before_packets > 0 ? option_bytes(8) : 0) +
      (comment.empty() ? 0 : option_bytes(comment.size())) + kEndOfOptionsBytes;

  const std::size_t padding_bytes = reserve(length_bytes, true);
  BlockWriter block(buffer_.get() + used_bytes_, BlockType::EnhancedPacket,
                    length_bytes + padding_bytes);
  put_packet(block, packet, captured, comment);
  block.end(padding_bytes);
  used_bytes_ += length_bytes + padding_bytes;
  ++counts_[packet.interface].buffered;
  return used_bytes_ >= kFlushBytes ? flush() : Result<void>{};
}

Result<void> PcapngWriter::flush() {
  if (used_bytes_ == 0) {
    return {};
  }
  const std::uint64_t before_bytes = sink_->written_bytes();
  Result<void> result = sink_->write({buffer_.get(), used_bytes_});
  const std::uint64_t delivered_bytes =
      result.has_value() ? used_bytes_ : sink_->written_bytes() - before_bytes;
  count_delivered(delivered_bytes);
  sent_offset_bytes_ += delivered_bytes;
  used_bytes_ = 0;
  return result;
}

Result<void> PcapngWriter::write_statistics(std::span<const PcapngStatistics> statistics) {
  if (statistics.size() > counts_.size()) {
    return fail(Errc::InvalidArgument,
                fmt::format("write statistics: {} of them, but the section has {} interfaces",
                            statistics.size(), counts_.size()));
  }
  std::uint32_t interface = 0;
  for (const PcapngStatistics& one : statistics) {
    TRY(append(statistics_block(interface, one)));
    ++interface;
  }
  return flush();
}

std::uint64_t PcapngWriter::delivered(std::uint32_t interface) const {
  return interface < counts_.size() ? counts_[interface].delivered : 0;
}

Result<void> PcapngWriter::append(const OptionBlock& block) {
  const std::size_t length_bytes = block.length_bytes();
  assert(length_bytes + kMaxPaddingBytes <= kMaxBlockBytes);
  // Before the first section, a filler would be part of somebody else's.
  const bool may_fill = block.type != BlockType::SectionHeader || has_section_;
  const std::size_t padding_bytes = reserve(length_bytes, may_fill);
  BlockWriter written(buffer_.get() + used_bytes_, block.type, length_bytes + padding_bytes);
  written.put_padded(block.body);
  for (const OptionBlock::Option& option : block.options) {
    written.put_option(option.code, option.value);
  }
  written.end(padding_bytes);
  used_bytes_ += length_bytes + padding_bytes;
  return used_bytes_ >= kFlushBytes ? flush() : Result<void>{};
}

std::size_t PcapngWriter::reserve(std::size_t length_bytes, bool may_fill) {
  const BlockPosition place =
      position_block(sent_offset_bytes_ + used_bytes_, length_bytes, boundary_bytes_, may_fill);
  if (place.filler_bytes > 0) {
    write_filler(buffer_.get() + used_bytes_, place.filler_bytes);
    used_bytes_ += place.filler_bytes;
  }
  return place.padding_bytes;
}

void PcapngWriter::count_delivered(std::uint64_t delivered_bytes) {
  if (delivered_bytes >= used_bytes_) {
    for (PacketCount& count : counts_) {
      count.delivered += std::exchange(count.buffered, 0);
    }
    return;
  }
  const std::span<const std::uint8_t> buffered(buffer_.get(), used_bytes_);
  std::size_t at = 0;
  while (at < delivered_bytes) {
    const std::uint8_t* block = buffered.data() + at;
    if (BlockType{load_le32(block)} == BlockType::EnhancedPacket) {
      ++counts_[load_le32(block + 8)].delivered;
    }
    at += first_block_bytes(buffered.subspan(at));
  }
  for (PacketCount& count : counts_) {
    count.buffered = 0;
  }
}

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// Lays blocks into one buffer and hands the buffer to the sink whenever it holds kFlushBytes.
//
//     buffer   | packet | packet | filler | packet | ...             |  room for one more block  |
//              0                                                kFlushBytes kBufferBytes
//
// A packet's bytes are copied once, from the ring to the buffer.  The length of a packet's block is
// known before it is written, so its place before or after a page boundary (block_layout.h) is
// decided first and nothing moves.
//
// Cost: nothing is allocated for a packet.  Delivered packets are counted when a whole buffer has
// arrived; only after an error is the buffer walked to see how many blocks did.
// Sources: draft-ietf-opsawg-pcapng, sections named at the constants.
// Tested by: tests/unit/pcapng/pcapng_writer_test.cc, read_back_test.cc, sink_failure_test.cc.

#include "pcapng/pcapng_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "pcapng/block.h"
#include "pcapng/block_layout.h"

namespace xdpcap {
namespace {

constexpr std::size_t kFlushBytes = std::size_t{1} << 20;

/// Longer than a section header with three options of the greatest length, the longest block there
/// is.
constexpr std::size_t kMaxBlockBytes = std::size_t{256} << 10;
constexpr std::size_t kBufferBytes = kFlushBytes + kMaxBoundaryBytes + kMaxBlockBytes;

/// What a block can grow by at its end for the sake of its place.
constexpr std::size_t kMaxPaddingBytes = kMinFillerBytes - 4;

constexpr std::uint32_t kMaxPacketBytes = 65535;

/// Section 4.1.
constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr std::uint16_t kShbHardware = 2, kShbOs = 3, kShbUserAppl = 4;

/// Section 4.2.
constexpr std::uint16_t kIfName = 2, kIfDescription = 3, kIfTsresol = 9, kIfFilter = 11;
constexpr std::array<std::uint8_t, 1> kNanoseconds = {9};         // 10^-9 s
constexpr std::array<std::uint8_t, 1> kFilterIsExpression = {0};  // and not instructions

/// Section 4.3: fixed part, and the options' codes.
constexpr std::size_t kPacketFixedBytes = 20;
constexpr std::uint16_t kOptComment = 1, kEpbFlags = 2, kEpbDropcount = 4, kEpbQueue = 6,
                        kEpbVerdict = 7;
constexpr std::uint32_t kFlagInbound = 1;
constexpr std::uint8_t kVerdictEbpfXdp = 2;

/// Options every packet has: flags, queue, verdict.
constexpr std::size_t kPacketOptionsBytes = option_bytes(4) + option_bytes(4) + option_bytes(9);

static_assert(kBlockFrameBytes + 16 + 3 * option_bytes(kMaxOptionBytes) + kEndOfOptionsBytes +
                  kMaxPaddingBytes <=
              kMaxBlockBytes);

/// Section 4.6.
constexpr std::uint16_t kIsbStartTime = 2, kIsbEndTime = 3, kIsbIfRecv = 4, kIsbFilterAccept = 6,
                        kIsbOsDrop = 7, kIsbUsrDeliv = 8;

/// A time as the format has it: the upper half first, whatever the byte order.
std::array<std::uint8_t, 8> time_bytes(std::uint64_t time_ns) {
  std::array<std::uint8_t, 8> bytes{};
  store_le(bytes.data(), static_cast<std::uint32_t>(time_ns >> 32));
  store_le(bytes.data() + 4, static_cast<std::uint32_t>(time_ns));
  return bytes;
}

std::array<std::uint8_t, 8> count_bytes(std::uint64_t count) {
  std::array<std::uint8_t, 8> bytes{};
  store_le(bytes.data(), count);
  return bytes;
}

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
  std::array<std::uint8_t, 9> verdict = {kVerdictEbpfXdp};
  store_le(verdict.data() + 1, packet.xdp_verdict);
  block.put_option(kEpbVerdict, verdict);
  if (!comment.empty()) {
    block.put_option(kOptComment, as_bytes(comment));
  }
}

}  // namespace

PcapngWriter::PcapngWriter(ByteSink& sink, const PcapngSection& section)
    : sink_(&sink),
      boundary_bytes_(usable_boundary(sink.block_boundary_bytes(), sink.start_offset_bytes())),
      max_captured_bytes_(section.snaplen_bytes == 0
                              ? kMaxPacketBytes
                              : std::min(section.snaplen_bytes, kMaxPacketBytes)),
      sent_offset_bytes_(sink.start_offset_bytes() + sink.written_bytes()),
      buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kBufferBytes)),
      counts_(section.interfaces.size()) {}

Result<PcapngWriter> PcapngWriter::start(ByteSink& sink, const PcapngSection& section) {
  PcapngWriter writer(sink, section);
  TRY(writer.append_section(section));
  for (const PcapngInterface& interface : section.interfaces) {
    TRY(writer.append_interface(interface, section));
  }
  TRY(writer.flush());
  return writer;
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
    TRY(append_statistics(interface, one));
    ++interface;
  }
  return flush();
}

std::uint64_t PcapngWriter::delivered(std::uint32_t interface) const {
  return interface < counts_.size() ? counts_[interface].delivered : 0;
}

Result<void> PcapngWriter::append_section(const PcapngSection& section) {
  std::array<std::uint8_t, 16> body{};
  store_le(body.data(), kByteOrderMagic);
  store_le(body.data() + 4, std::uint16_t{1});   // major version
  store_le(body.data() + 6, std::uint16_t{0});   // minor version
  store_le(body.data() + 8, ~std::uint64_t{0});  // section length: not known
  std::vector<Option> options;
  for (const auto& [code, text] :
       {std::pair{kShbHardware, std::string_view(section.hardware)},
        std::pair{kShbOs, std::string_view(section.os)},
        std::pair{kShbUserAppl, std::string_view(section.application)}}) {
    if (!text.empty()) {
      options.push_back({code, as_bytes(cut_text(text, kMaxOptionBytes))});
    }
  }
  return append_block(BlockType::SectionHeader, body, options);
}

Result<void> PcapngWriter::append_interface(const PcapngInterface& interface,
                                            const PcapngSection& section) {
  std::array<std::uint8_t, 8> body{};
  store_le(body.data(), section.linktype);
  store_le(body.data() + 4, section.snaplen_bytes);
  std::vector<Option> options;
  options.push_back({kIfName, as_bytes(cut_text(interface.name, kMaxOptionBytes))});
  if (!interface.description.empty()) {
    options.push_back({kIfDescription, as_bytes(cut_text(interface.description, kMaxOptionBytes))});
  }
  options.push_back({kIfTsresol, kNanoseconds});
  if (!interface.filter.empty()) {
    options.push_back({kIfFilter, kFilterIsExpression,
                       as_bytes(cut_text(interface.filter, kMaxOptionBytes - 1))});
  }
  return append_block(BlockType::InterfaceDescription, body, options);
}

Result<void> PcapngWriter::append_statistics(std::uint32_t interface,
                                             const PcapngStatistics& statistics) {
  const auto start = time_bytes(statistics.start_ns);
  const auto end = time_bytes(statistics.end_ns);
  const auto received = count_bytes(statistics.received);
  const auto accepted = count_bytes(statistics.accepted);
  const auto dropped = count_bytes(statistics.dropped);
  const auto delivered_packets = count_bytes(statistics.delivered);
  std::vector<Option> options = {{kIsbStartTime, start}, {kIsbEndTime, end},
                                 {kIsbIfRecv, received}, {kIsbFilterAccept, accepted},
                                 {kIsbOsDrop, dropped},  {kIsbUsrDeliv, delivered_packets}};
  std::string comment;
  if (statistics.held_back > 0) {  // pcapng has no number for it
    comment = fmt::format("{} matching packets held back by limits", statistics.held_back);
    options.push_back({kOptComment, as_bytes(comment)});
  }
  std::array<std::uint8_t, 12> body{};
  store_le(body.data(), interface);
  std::ranges::copy(end, body.data() + 4);  // when the numbers were read
  return append_block(BlockType::InterfaceStatistics, body, options);
}

Result<void> PcapngWriter::append_block(BlockType type, std::span<const std::uint8_t> body,
                                        std::span<const Option> options) {
  std::size_t length_bytes = kBlockFrameBytes + body.size() + kEndOfOptionsBytes;
  for (const Option& option : options) {
    length_bytes += option_bytes(option.first.size() + option.rest.size());
  }
  assert(length_bytes + kMaxPaddingBytes <= kMaxBlockBytes);
  const std::size_t padding_bytes = reserve(length_bytes, type != BlockType::SectionHeader);
  BlockWriter block(buffer_.get() + used_bytes_, type, length_bytes + padding_bytes);
  block.put_padded(body);
  for (const Option& option : options) {
    block.put_option(option.code, option.first, option.rest);
  }
  block.end(padding_bytes);
  used_bytes_ += length_bytes + padding_bytes;
  return used_bytes_ >= kFlushBytes ? flush() : Result<void>{};
}

std::size_t PcapngWriter::reserve(std::size_t length_bytes, bool may_fill) {
  const BlockPlace place =
      place_block(sent_offset_bytes_ + used_bytes_, length_bytes, boundary_bytes_, may_fill);
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

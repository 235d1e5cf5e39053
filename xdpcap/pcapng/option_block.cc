// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/pcapng/option_block.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace xdpcap {
namespace {

/// Section 4.1.
constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr std::uint16_t kShbHardware = 2, kShbOs = 3, kShbUserAppl = 4;

/// Section 4.2.
constexpr std::uint16_t kIfName = 2, kIfDescription = 3, kIfTsresol = 9, kIfFilter = 11;
constexpr std::uint8_t kNanoseconds = 9;         // 10^-9 s
constexpr std::uint8_t kFilterIsExpression = 0;  // and not instructions

/// Section 4.6.
constexpr std::uint16_t kIsbStartTime = 2, kIsbEndTime = 3, kIsbIfRecv = 4, kIsbFilterAccept = 6,
                        kIsbOsDrop = 7, kIsbUsrDeliv = 8;

std::vector<std::uint8_t> text_bytes(std::string_view text,
                                     std::size_t most_bytes = kMaxOptionBytes) {
  const auto bytes = as_bytes(cut_text(text, most_bytes));
  return {bytes.begin(), bytes.end()};
}

void put_text(OptionBlock& block, std::uint16_t code, std::string_view text) {
  if (!text.empty()) {
    block.options.push_back({code, text_bytes(text)});
  }
}

/// A time as the format has it: the upper half first, whatever the byte order.
std::vector<std::uint8_t> time_bytes(std::uint64_t time_ns) {
  std::vector<std::uint8_t> bytes(8);
  store_le(bytes.data(), static_cast<std::uint32_t>(time_ns >> 32));
  store_le(bytes.data() + 4, static_cast<std::uint32_t>(time_ns));
  return bytes;
}

std::vector<std::uint8_t> count_bytes(std::uint64_t count) {
  std::vector<std::uint8_t> bytes(8);
  store_le(bytes.data(), count);
  return bytes;
}

/// What pcapng has no number for, in words.
std::string uncounted(const PcapngStatistics& statistics) {
  const std::array<std::pair<std::uint64_t, std::string_view>, 2> reasons = {
      {{statistics.held_back, "held back by limits"},
       {statistics.overwritten, "overwritten in the flight recorder"}}};
  std::string text;
  for (const auto& [packets, reason] : reasons) {
    if (packets > 0) {
      text += fmt::format("{}{} matching packets {}", text.empty() ? "" : ", ", packets, reason);
    }
  }
  return text;
}

}  // namespace

std::size_t OptionBlock::length_bytes() const {
  std::size_t length_bytes = kBlockFrameBytes + round_up_to_4(body.size()) + kEndOfOptionsBytes;
  for (const Option& option : options) {
    length_bytes += option_bytes(option.value.size());
  }
  return length_bytes;
}

OptionBlock section_block(const PcapngSection& section) {
  OptionBlock block{
      .type = BlockType::SectionHeader, .body = std::vector<std::uint8_t>(16), .options = {}};
  std::uint8_t* body = block.body.data();
  store_le(body, kByteOrderMagic);
  store_le(body + 4, std::uint16_t{1});   // major version
  store_le(body + 6, std::uint16_t{0});   // minor version
  store_le(body + 8, ~std::uint64_t{0});  // section length: not known
  put_text(block, kOptComment, section.comment);
  put_text(block, kShbHardware, section.hardware);
  put_text(block, kShbOs, section.os);
  put_text(block, kShbUserAppl, section.application);
  return block;
}

OptionBlock interface_block(const PcapngInterface& interface, const PcapngSection& section) {
  OptionBlock block{
      .type = BlockType::InterfaceDescription, .body = std::vector<std::uint8_t>(8), .options = {}};
  store_le(block.body.data(), section.linktype);
  store_le(block.body.data() + 4, section.snaplen_bytes);
  block.options.push_back({kIfName, text_bytes(interface.name)});
  put_text(block, kIfDescription, interface.description);
  block.options.push_back({kIfTsresol, {kNanoseconds}});
  if (!interface.filter.empty()) {
    std::vector<std::uint8_t> filter = text_bytes(interface.filter, kMaxOptionBytes - 1);
    filter.insert(filter.begin(), kFilterIsExpression);
    block.options.push_back({kIfFilter, std::move(filter)});
  }
  return block;
}

OptionBlock statistics_block(std::uint32_t interface, const PcapngStatistics& statistics) {
  OptionBlock block{.type = BlockType::InterfaceStatistics,
                    .body = std::vector<std::uint8_t>(12),
                    .options = {{kIsbStartTime, time_bytes(statistics.start_ns)},
                                {kIsbEndTime, time_bytes(statistics.end_ns)},
                                {kIsbIfRecv, count_bytes(statistics.received)},
                                {kIsbFilterAccept, count_bytes(statistics.accepted)},
                                {kIsbOsDrop, count_bytes(statistics.dropped)},
                                {kIsbUsrDeliv, count_bytes(statistics.delivered)}}};
  store_le(block.body.data(), interface);
  // When the numbers were read.
  std::ranges::copy(time_bytes(statistics.end_ns), block.body.begin() + 4);
  put_text(block, kOptComment, uncounted(statistics));
  return block;
}

}  // namespace xdpcap

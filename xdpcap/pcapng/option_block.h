// SPDX-License-Identifier: BSD-3-Clause
//
// The blocks of a section that are not packets, as values: header, interfaces, statistics.
//
// There are a few of them in a section, so they are put together with no regard to cost; PcapngWriter lays packets
// into its buffer on its own.
//
// Source: draft-ietf-opsawg-pcapng sections 4.1, 4.2, 4.6.
// Tested by: xdpcap/tests/pcapng/pcapng_writer_test.cc.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "xdpcap/pcapng/block.h"
#include "xdpcap/pcapng/pcapng_writer.h"

namespace xdpcap {

inline constexpr std::uint16_t kOptComment = 1;  ///< of any block; section 3.5.1

struct OptionBlock {
  struct Option {
    std::uint16_t code = 0;
    std::vector<std::uint8_t> value;  ///< at most kMaxOptionBytes
  };
  BlockType type;
  std::vector<std::uint8_t> body;  ///< the fixed part
  std::vector<Option> options;

  /// Of the whole block.
  std::size_t length_bytes() const;
};

/// Text longer than an option can hold is cut, here and below.
OptionBlock section_block(const PcapngSection& section);
OptionBlock interface_block(const PcapngInterface& interface, const PcapngSection& section);
OptionBlock statistics_block(std::uint32_t interface, const PcapngStatistics& statistics);

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// pcapng, block by block.  libpcap refuses files whose interfaces differ in link type or snapshot length, which
// captures of several interfaces have, so this reads them; it gives packets and skips all else.
//
// Input is not trusted: lengths are checked before use, and a block has at most 16 MiB.
//
// Tested by: verify/tests/capture_file_test.cc.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <vector>

namespace check {

struct PcapngPacket {
  std::span<const std::uint8_t> bytes;  ///< until the next call
  std::uint32_t wire_length_bytes = 0;
  std::uint16_t linktype = 0;  ///< LINKTYPE_* of its interface
  bool is_swapped = false;     ///< its section has the other byte order
  std::size_t block_bytes = 0;
};

class PcapngReader {
 public:
  /// Reads from where `stream` stands; does not own it.
  explicit PcapngReader(std::FILE* stream) : stream_(stream) {}

  /// Reads what is in front of packets, up to the first interface.
  /// Errors: Errc::Io for what is not such a file.
  cbpfc::Result<void> begin();
  /// The link type and the byte order of the first interface.
  std::uint16_t first_linktype() const { return interfaces_.front().linktype; }
  bool is_swapped() const { return is_swapped_; }

  /// The next packet; nullopt at the file's end.
  /// Errors: Errc::Io for a file that ends inside a block, or is damaged.
  cbpfc::Result<std::optional<PcapngPacket>> next();

 private:
  struct Interface {
    std::uint16_t linktype = 0;
    std::uint32_t snapshot_bytes = 0;  ///< 0: not limited
  };

  cbpfc::Result<bool> read_block();
  cbpfc::Result<void> read_bytes(std::size_t size);
  cbpfc::Result<void> read_byte_order();
  cbpfc::Result<void> begin_section();
  cbpfc::Result<void> add_interface();
  cbpfc::Result<PcapngPacket> packet_of(std::size_t interface, std::size_t header_bytes,
                                        std::uint32_t captured, std::uint32_t on_wire) const;
  cbpfc::Result<PcapngPacket> enhanced_packet() const;
  cbpfc::Result<PcapngPacket> simple_packet() const;
  std::uint16_t half(std::size_t offset) const;
  std::uint32_t word(std::size_t offset) const;

  std::FILE* stream_;
  std::vector<std::uint8_t> block_;  ///< with its header and trailer
  bool is_swapped_ = false;
  std::vector<Interface> interfaces_;  ///< of the section
};

}  // namespace check

// SPDX-License-Identifier: BSD-3-Clause
//
// pcapng: sections, each with one interface block an action, one enhanced packet block a packet, interface
// statistics at the end.  docs/pcapng.md shows every block and option with a worked hexdump.
//
// A capture is one section; a flight recorder's file has one for each time the memory was written out.
//
// Source: draft-ietf-opsawg-pcapng sections 4.1 (section header), 4.2 (interface description),
// 4.3 (enhanced packet), 4.6 (interface statistics).

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "xdpcap/pcapng/byte_sink.h"

namespace xdpcap {

struct OptionBlock;

struct PcapngInterface {
  std::string name;         ///< if_name
  std::string description;  ///< if_description; empty: no option
  std::string filter;       ///< if_filter, as text; empty: no option
};

struct PcapngSection {
  std::string comment;         ///< opt_comment; empty: no option
  std::string hardware;        ///< shb_hardware; empty: no option
  std::string os;              ///< shb_os
  std::string application;     ///< shb_userappl
  std::uint16_t linktype = 1;  ///< LINKTYPE_*, one for all interfaces: libpcap reads no other files
  std::uint32_t snaplen_bytes = 65535;  ///< one for all interfaces, for the same reason
  std::vector<PcapngInterface> interfaces;
};

struct PcapngPacket {
  std::uint32_t interface = 0;     ///< index into PcapngSection::interfaces
  std::uint64_t wall_time_ns = 0;  ///< since 1970, UTC
  std::uint32_t wire_length_bytes = 0;
  std::span<const std::uint8_t> bytes = {};
  std::uint64_t xdp_verdict = 0;          ///< epb_verdict, kind Linux eBPF XDP
  std::uint32_t queue = 0;                ///< epb_queue
  std::uint64_t lost_before_packets = 0;  ///< epb_dropcount; 0: no option
  std::string_view comment = {};          ///< opt_comment; empty: no option
};

struct PcapngStatistics {
  std::uint64_t start_ns = 0, end_ns = 0;  ///< wall time of the capture
  std::uint64_t received = 0;              ///< isb_ifrecv: packets that reached the hook
  std::uint64_t accepted = 0;              ///< isb_filteraccept: packets the filter matched
  std::uint64_t held_back = 0;    ///< a comment, if any: matched, and not wanted by a limit
  std::uint64_t overwritten = 0;  ///< the same: matched, and fell out of a flight recorder's memory
  std::uint64_t dropped = 0;      ///< isb_osdrop: matched, then lost
  std::uint64_t delivered = 0;    ///< isb_usrdeliv: matched and written
};

/// Writes sections to a sink, through a buffer that is allocated once.
///
/// What a failed write or flush did not deliver is dropped, and never counted as delivered later;
/// blocks written after it still make a valid file if the sink takes them.
class PcapngWriter {
 public:
  /// Writes nothing yet, and takes no packets before begin_section().
  /// Ownership: borrows `sink`, which must outlive the writer.
  explicit PcapngWriter(ByteSink& sink);

  /// A writer that has begun its first section.  Errors: those of the sink.
  static Result<PcapngWriter> start(ByteSink& sink, const PcapngSection& section);

  /// Ends the section before, if any.  Writes the section header and the interface blocks, and hands them to the sink
  /// at once, so that a reader of a pipe can start.
  ///
  /// Interfaces of one number are the same in all sections: their packets are counted on, and libpcap wants one
  /// snapshot length in all of a file.  Errors: those of the sink.
  Result<void> begin_section(const PcapngSection& section);

  /// Appends a packet to the buffer; hands the buffer to the sink when it is full.
  ///
  /// Bytes beyond the section's snapshot length (65535 if it is 0) are left out.
  /// Errors: those of the sink; Errc::InvalidArgument for an interface the section does not have.
  Result<void> write(const PcapngPacket& packet);

  /// Hands what is buffered to the sink.
  Result<void> flush();

  /// Appends one statistics block an interface, in their order, and flushes.
  /// Errors: those of the sink; Errc::InvalidArgument if there are more than interfaces.
  Result<void> write_statistics(std::span<const PcapngStatistics> statistics);

  /// Packets of interface `interface` whose whole block reached the output, in all sections.  Exact also after
  /// an error.
  std::uint64_t delivered(std::uint32_t interface) const;

  /// Memory that a writer takes.
  static std::size_t buffer_bytes();

 private:
  struct PacketCount {
    std::uint64_t delivered = 0;
    std::uint64_t buffered = 0;
  };

  Result<void> append(const OptionBlock& block);
  /// Puts a filler into the buffer if a block of `length_bytes` needs one before it; what the block
  /// itself has to grow by.
  std::size_t reserve(std::size_t length_bytes, bool may_fill);
  void count_delivered(std::uint64_t delivered_bytes);

  ByteSink* sink_;
  std::uint32_t boundary_bytes_;
  std::uint32_t max_captured_bytes_ = 0;
  std::uint64_t sent_offset_bytes_;         ///< file offset of the buffer's first byte
  std::size_t used_bytes_ = 0;              ///< of the buffer
  std::unique_ptr<std::uint8_t[]> buffer_;  // NOLINT(modernize-avoid-c-arrays)
  std::vector<PacketCount> counts_;         ///< one an interface
  bool has_section_ = false;                ///< what precedes the next section is our own
};

}  // namespace xdpcap

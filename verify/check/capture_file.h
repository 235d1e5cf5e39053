// SPDX-License-Identifier: BSD-3-Clause
//
// Capture files: pcap read through libpcap, pcapng by pcapng_reader.h, and a choice of their packets written as they
// stand.
//
//     CaptureReader file = TRY(CaptureReader::open("in.pcapng"));
//     PacketWriter chosen = TRY(PacketWriter::create("out.pcapng", file));
//     while (const auto packet = TRY(file.next())) {
//       TRY(chosen.write(*packet, is_wanted(packet->bytes)));
//     }
//     TRY(chosen.finish(file.rest()));
//
// What is written has the format of what is read: pcap or pcapng, byte order, resolution of times, the bits
// beside the link type.  Headers and records are copied, so nothing that libpcap does not tell of is lost, and a
// link-layer header in the byte order of the file (NULL, ENC) is in that of the new file, too.
//
// Tested by: verify/tests/capture_file_test.cc, verify/tests/cli/match.bats.

#pragma once

#include <cbpfc/pcap_filter.h>
#include <cbpfc/result.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/whole_file.h"
#include "verify/check/pcapng_reader.h"
#include "verify/check/recorded_input.h"

struct pcap;

namespace check {

/// What a filter over packets is compiled for.  In a pcapng it is each interface's.
struct PacketKind {
  cbpfc::LinkType link_type;
  cbpfc::PacketSource source = cbpfc::PacketSource::File;
};

/// One packet of a file; its bytes are there until the next one is read.
struct CapturedPacket {
  std::span<const std::uint8_t> bytes;
  /// As the file has it: more than bytes.size() for a cut packet, and less in files that are wrong.
  std::uint32_t wire_length_bytes = 0;
  std::span<const std::uint8_t>
      before;  ///< the blocks before the packet's that hold no packet (pcapng)
  std::span<const std::uint8_t> record;  ///< its record or block
  std::size_t kind = 0;                  ///< the number of its kind, from 0
};

class CaptureReader {
 public:
  /// Opens a file, "-" is standard input, and reads its header.
  /// Errors: Errc::NotFound, Permission; Errc::Io for what is not a capture file.
  static cbpfc::Result<CaptureReader> open(const std::string& path);

  /// The next packet; nullopt at the file's end.
  /// Errors: Errc::Io with the packet's number, for a file that ends inside a packet, or is damaged.
  cbpfc::Result<std::optional<CapturedPacket>> next();

  /// Those of the packets read so far; 0 is the file's, or its first interface's.
  const PacketKind& kind(std::size_t number) const { return kinds_.at(number); }
  /// Whether `fd` is the file it reads from.
  bool is_read_from(int fd) const;
  /// Packets read so far.
  std::uint64_t packets() const { return packets_; }
  /// What stands in front of the first packet or block that next() reads.
  std::span<const std::uint8_t> header() const { return header_; }
  /// The blocks behind the last packet (pcapng); once next() has returned nullopt.
  std::span<const std::uint8_t> rest() const { return input_->taken(); }

 private:
  struct Close {
    void operator()(pcap* handle) const;
    void operator()(std::FILE* stream) const;
  };
  CaptureReader() = default;
  cbpfc::Result<void> begin();
  cbpfc::Result<void> begin_pcapng(std::FILE* stream);
  cbpfc::Result<std::optional<CapturedPacket>> next_of_pcap();
  cbpfc::Result<std::optional<CapturedPacket>> next_of_pcapng();
  std::size_t number_of(std::uint16_t linktype, bool is_swapped);

  std::unique_ptr<RecordedInput> input_;      // longer than handle_, which reads from it
  std::unique_ptr<pcap, Close> handle_;       // of a pcap
  std::unique_ptr<std::FILE, Close> stream_;  // of a pcapng
  std::optional<PcapngReader> blocks_;        // of a pcapng, reads from stream_
  std::string name_;
  std::vector<PacketKind> kinds_;
  std::map<std::size_t, std::size_t> numbers_;  ///< of kinds, by link type and byte order (pcapng)
  std::vector<std::uint8_t> header_;
  std::uint64_t packets_ = 0;
};

/// Writes packets in the format of the file that is read.
class PacketWriter {
 public:
  /// Errors: those of WholeFile::create(); Errc::Io if it would write over what `like` reads.
  static cbpfc::Result<PacketWriter> create(const std::string& path, const CaptureReader& like);

  /// Writes a packet that is wanted, and of one that is not what stands in front of it.  To be called for
  /// each packet.
  /// Errors: Errc::Io, naming the file.
  cbpfc::Result<void> write(const CapturedPacket& packet, bool is_wanted);

  /// Writes what is left, with `rest` behind the last packet, and puts the file in its place.
  /// Errors: Errc::Io, naming the file.
  cbpfc::Result<void> finish(std::span<const std::uint8_t> rest);

 private:
  explicit PacketWriter(command::WholeFile file) : file_(std::move(file)) {}
  cbpfc::Result<void> append(std::span<const std::uint8_t> bytes);

  command::WholeFile file_;
  std::vector<std::uint8_t> waiting_;
};

}  // namespace check

// SPDX-License-Identifier: BSD-3-Clause
//
// Capture files, pcap and pcapng, read and written through libpcap.
//
// Tested by: tests/unit/tools/pcap_file_test.cc, tests/cli/cbpfc_match.bats.

#pragma once

#include <cbpfc/pcap_filter.h>
#include <cbpfc/result.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "tools/whole_file.h"

struct pcap;
struct pcap_dumper;

namespace command {

/// Whether a file's times are in micro- or nanoseconds.
enum class TimeUnit : std::uint8_t { Microsecond, Nanosecond };

/// One packet of a file; its bytes are there until the next one is read.
struct CapturedPacket {
  std::span<const std::uint8_t> bytes;
  std::uint32_t wire_length_bytes = 0;  ///< at least bytes.size()
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
};

class PcapReader {
 public:
  /// Opens a file, "-" is standard input, and reads its header.
  /// Errors: Errc::NotFound, Permission; Errc::Io with libpcap's words for what is no capture file.
  static cbpfc::Result<PcapReader> open(const std::string& path);

  /// The next packet; nullopt at the file's end.
  /// Errors: Errc::Io with the packet's number, for a file that ends inside a packet, or is damaged.
  cbpfc::Result<std::optional<CapturedPacket>> next();

  const cbpfc::LinkType& link_type() const { return link_type_; }
  int snapshot_length_bytes() const;
  TimeUnit time_unit() const { return time_unit_; }

 private:
  struct Close {
    void operator()(pcap* handle) const;
  };
  PcapReader() = default;

  std::unique_ptr<pcap, Close> handle_;
  std::string name_;
  cbpfc::LinkType link_type_;
  TimeUnit time_unit_ = TimeUnit::Nanosecond;
  std::uint64_t packets_ = 0;
};

/// Writes pcap, in the link type, snapshot length and time unit of the file that is read.
class PcapWriter {
 public:
  /// Errors: those of WholeFile::create().
  static cbpfc::Result<PcapWriter> create(const std::string& path, const PcapReader& like);

  cbpfc::Result<void> write(const CapturedPacket& packet);

  /// Writes what is left, and puts the file in its place.
  /// Errors: Errc::Io, naming the file.
  cbpfc::Result<void> finish();

 private:
  struct Close {
    void operator()(pcap* handle) const;
    void operator()(pcap_dumper* dumper) const;
  };
  PcapWriter(WholeFile file, TimeUnit unit) : file_(std::move(file)), time_unit_(unit) {}
  std::unexpected<cbpfc::Error> failure(int error_number) const;

  WholeFile file_;
  std::unique_ptr<pcap, Close> handle_;
  std::unique_ptr<pcap_dumper, Close> dumper_;
  TimeUnit time_unit_;
};

}  // namespace command

// SPDX-License-Identifier: BSD-3-Clause
//
// Source: libpcap 1.10.3 pcap_fopen_offline(3), pcap_next_ex(3); pcap-savefile(5); draft-ietf-opsawg-pcapng,
// "General Block Structure".

#include "verify/check/capture_file.h"

#include <fmt/format.h>
#include <pcap/pcap.h>
#include <sys/stat.h>

#include <array>
#include <cstring>

namespace check {

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::PacketSource;
using cbpfc::Result;

namespace {

cbpfc::LinkType describe_link_type(int dlt) {
  Result<cbpfc::LinkType> known = cbpfc::parse_link_type(std::to_string(dlt));
  return known ? *known : cbpfc::LinkType{.dlt = dlt, .linktype = 0, .name = std::to_string(dlt)};
}

/// Whether the file is a pcapng: it begins with a section header, whose type reads the same both ways.
bool has_blocks(std::span<const std::uint8_t> header) {
  constexpr std::array<std::uint8_t, 4> kSectionHeader = {0x0a, 0x0d, 0x0d, 0x0a};
  return header.size() >= kSectionHeader.size() &&
         std::memcmp(header.data(), kSectionHeader.data(), kSectionHeader.size()) == 0;
}

}  // namespace

void PcapReader::Close::operator()(pcap* handle) const {
  pcap_close(handle);
}

Result<PcapReader> PcapReader::open(const std::string& path) {
  PcapReader reader;
  reader.name_ = path == "-" ? "standard input" : path;
  reader.input_ = TRY(RecordedInput::open(path));
  std::FILE* const stream = reader.input_->stream();
  if (stream == nullptr) {
    return fail(Errc::Io, fmt::format("read {}: out of memory", reader.name_));
  }
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  reader.handle_.reset(pcap_fopen_offline(stream, error.data()));
  if (reader.handle_ == nullptr) {
    std::fclose(stream);
    return fail(Errc::Io, fmt::format("read {}: no capture file (pcap or pcapng): {}", reader.name_,
                                      error.data()));
  }
  reader.header_.assign(reader.input_->taken().begin(), reader.input_->taken().end());
  reader.link_type_ = describe_link_type(pcap_datalink(reader.handle_.get()));
  return reader;
}

PacketSource PcapReader::source() const {
  return pcap_is_swapped(handle_.get()) != 0 ? PacketSource::SwappedFile : PacketSource::File;
}

bool PcapReader::is_read_from(int fd) const {
  struct stat mine{};
  struct stat other{};
  return ::fstat(input_->fd(), &mine) == 0 && ::fstat(fd, &other) == 0 && S_ISREG(mine.st_mode) &&
         mine.st_dev == other.st_dev && mine.st_ino == other.st_ino;
}

/// Bytes of the block that was read last, which say so at their end, in the file's byte order.
std::size_t PcapReader::last_block_bytes() const {
  const std::span<const std::uint8_t> taken = input_->taken();
  std::uint32_t size = 0;
  if (taken.size() < sizeof size) {
    return taken.size();
  }
  std::memcpy(&size, taken.last(sizeof size).data(), sizeof size);
  size = source() == PacketSource::SwappedFile ? __builtin_bswap32(size) : size;
  return std::min<std::size_t>(size, taken.size());
}

Result<std::optional<CapturedPacket>> PcapReader::next() {
  input_->forget();
  pcap_pkthdr* header = nullptr;
  const unsigned char* bytes = nullptr;
  const int got = pcap_next_ex(handle_.get(), &header, &bytes);
  if (got == PCAP_ERROR_BREAK) {
    return std::nullopt;
  }
  if (got != 1) {
    return fail(Errc::Io, fmt::format("read {}: packet {}: {}", name_, packets_ + 1,
                                      pcap_geterr(handle_.get())));
  }
  ++packets_;
  const std::span<const std::uint8_t> taken = input_->taken();
  const std::size_t record = has_blocks(header_) ? last_block_bytes() : taken.size();
  return CapturedPacket{.bytes = {bytes, header->caplen},
                        .wire_length_bytes = header->len,
                        .before = taken.first(taken.size() - record),
                        .record = taken.last(record)};
}

Result<PacketWriter> PacketWriter::create(const std::string& path, const PcapReader& like) {
  PacketWriter writer(TRY(command::WholeFile::create(path)));
  if (like.is_read_from(writer.file_.fd())) {
    return fail(Errc::Io,
                fmt::format("write to {}: it is the file that is read, and cannot be replaced in "
                            "its directory; name another one",
                            path));
  }
  TRY(writer.append(like.header()));
  return writer;
}

Result<void> PacketWriter::append(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kMostWaitingBytes = 65536;
  if (waiting_.size() + bytes.size() > kMostWaitingBytes) {
    TRY(file_.write(waiting_));
    waiting_.clear();
  }
  waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
  return {};
}

Result<void> PacketWriter::write(const CapturedPacket& packet, bool is_wanted) {
  TRY(append(packet.before));
  return is_wanted ? append(packet.record) : Result<void>();
}

Result<void> PacketWriter::finish(std::span<const std::uint8_t> rest) {
  TRY(append(rest));
  TRY(file_.write(waiting_));
  return file_.commit();
}

}  // namespace check

// SPDX-License-Identifier: BSD-3-Clause
//
// Source: libpcap 1.10.3 pcap_fopen_offline(3), pcap_next_ex(3); pcap-savefile(5).

#include "verify/check/capture_file.h"

#include <fmt/format.h>
#include <pcap/pcap.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <string_view>

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

/// What libpcap calls a link type of files: it says so of a file without packets.
int dlt_of(std::uint16_t linktype) {
  struct Header {
    std::uint32_t magic = 0xa1b2c3d4;
    std::uint16_t major = 2;
    std::uint16_t minor = 4;
    std::uint32_t zone = 0;
    std::uint32_t accuracy = 0;
    std::uint32_t snapshot_bytes = 65535;
    std::uint32_t linktype = 0;
  } header{.linktype = linktype};
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  std::FILE* const memory = ::fmemopen(&header, sizeof header, "r");
  pcap* const empty = memory == nullptr ? nullptr : pcap_fopen_offline(memory, error.data());
  if (empty == nullptr) {
    if (memory != nullptr) {
      std::fclose(memory);
    }
    return linktype;
  }
  const int dlt = pcap_datalink(empty);
  pcap_close(empty);
  return dlt;
}

PacketSource source_of(bool is_swapped) {
  return is_swapped ? PacketSource::SwappedFile : PacketSource::File;
}

constexpr std::array<char, 4> kPcapngStart = {0x0a, 0x0d, 0x0d, 0x0a};

}  // namespace

void CaptureReader::Close::operator()(pcap* handle) const {
  pcap_close(handle);
}

void CaptureReader::Close::operator()(std::FILE* stream) const {
  std::fclose(stream);
}

Result<CaptureReader> CaptureReader::open(const std::string& path) {
  CaptureReader reader;
  reader.name_ = path == "-" ? "standard input" : path;
  reader.input_ = TRY(RecordedInput::open(path));
  TRY(reader.begin().with_context("read " + reader.name_));
  reader.header_.assign(reader.input_->taken().begin(), reader.input_->taken().end());
  return reader;
}

Result<void> CaptureReader::begin() {
  constexpr std::string_view kNot = "not a capture file (pcap or pcapng)";
  const std::span<const char> start = TRY(input_->peek(kPcapngStart.size()));
  const bool is_pcapng = std::ranges::equal(start, kPcapngStart);
  std::FILE* const stream = input_->stream();
  if (stream == nullptr) {
    return fail(Errc::Io, "out of memory");
  }
  if (is_pcapng) {
    return begin_pcapng(stream).with_context(std::string(kNot));
  }
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  handle_.reset(pcap_fopen_offline(stream, error.data()));
  if (handle_ == nullptr) {
    std::fclose(stream);
    return fail(Errc::Io, fmt::format("{}: {}", kNot, error.data()));
  }
  kinds_.push_back({.link_type = describe_link_type(pcap_datalink(handle_.get())),
                    .source = source_of(pcap_is_swapped(handle_.get()) != 0)});
  return {};
}

Result<void> CaptureReader::begin_pcapng(std::FILE* stream) {
  stream_.reset(stream);
  blocks_.emplace(stream);
  TRY(blocks_->begin());
  number_of(blocks_->first_linktype(), blocks_->is_swapped());
  return {};
}

bool CaptureReader::is_read_from(int fd) const {
  struct stat mine{};
  struct stat other{};
  return ::fstat(input_->fd(), &mine) == 0 && ::fstat(fd, &other) == 0 && S_ISREG(mine.st_mode) &&
         mine.st_dev == other.st_dev && mine.st_ino == other.st_ino;
}

Result<std::optional<CapturedPacket>> CaptureReader::next() {
  input_->forget();
  Result<std::optional<CapturedPacket>> packet =
      (blocks_ ? next_of_pcapng() : next_of_pcap())
          .with_context(fmt::format("read {}: packet {}", name_, packets_ + 1));
  packets_ += packet && *packet ? 1U : 0U;
  return packet;
}

Result<std::optional<CapturedPacket>> CaptureReader::next_of_pcap() {
  pcap_pkthdr* header = nullptr;
  const unsigned char* bytes = nullptr;
  const int got = pcap_next_ex(handle_.get(), &header, &bytes);
  if (got == PCAP_ERROR_BREAK) {
    return std::nullopt;
  }
  if (got != 1) {
    return fail(Errc::Io, pcap_geterr(handle_.get()));
  }
  return CapturedPacket{.bytes = {bytes, header->caplen},
                        .wire_length_bytes = header->len,
                        .before = {},
                        .record = input_->taken()};
}

Result<std::optional<CapturedPacket>> CaptureReader::next_of_pcapng() {
  const std::optional<PcapngPacket> packet = TRY(blocks_->next());
  if (!packet) {
    return std::nullopt;
  }
  const std::size_t kind = number_of(packet->linktype, packet->is_swapped);
  const std::span<const std::uint8_t> taken = input_->taken();
  return CapturedPacket{.bytes = packet->bytes,
                        .wire_length_bytes = packet->wire_length_bytes,
                        .before = taken.first(taken.size() - packet->block_bytes),
                        .record = taken.last(packet->block_bytes),
                        .kind = kind};
}

/// Of the kind of a pcapng's packet, which may be a new one.
std::size_t CaptureReader::number_of(std::uint16_t linktype, bool is_swapped) {
  const std::size_t key = linktype * 2U + (is_swapped ? 1U : 0U);
  const auto [entry, is_new] = numbers_.try_emplace(key, kinds_.size());
  if (is_new) {
    kinds_.push_back(
        {.link_type = describe_link_type(dlt_of(linktype)), .source = source_of(is_swapped)});
  }
  return entry->second;
}

Result<PacketWriter> PacketWriter::create(const std::string& path, const CaptureReader& like) {
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

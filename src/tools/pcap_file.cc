// SPDX-License-Identifier: BSD-3-Clause
//
// Source: libpcap 1.10.3 pcap_open_offline(3), pcap_dump_open(3); pcap-savefile(5).

#include "tools/pcap_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace command {

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Result;

namespace {

constexpr std::int64_t kNanosecondsPerMicrosecond = 1000;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using UniqueFile = std::unique_ptr<std::FILE, CloseFile>;

/// Looks at the first four bytes, which the reader after us still gets.  libpcap does not tell.
/// Source: pcap-savefile(5), the magic numbers of microseconds in both byte orders.
TimeUnit peek_time_unit(std::FILE* file) {
  std::array<unsigned char, 4> magic{};
  const std::size_t size = std::fread(magic.data(), 1, magic.size(), file);
  for (std::size_t i = size; i > 0; --i) {
    std::ungetc(magic[i - 1], file);  // glibc takes back what it has just handed out
  }
  constexpr std::array<unsigned char, 4> kBig = {0xa1, 0xb2, 0xc3, 0xd4};
  constexpr std::array<unsigned char, 4> kLittle = {0xd4, 0xc3, 0xb2, 0xa1};
  return magic == kBig || magic == kLittle ? TimeUnit::Microsecond : TimeUnit::Nanosecond;
}

Result<UniqueFile> open_file(const std::string& path, const std::string& name) {
  // A duplicate, because libpcap closes what it is given.
  UniqueFile file(path == "-" ? ::fdopen(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), "rb")
                              : std::fopen(path.c_str(), "rbe"));
  if (file == nullptr) {
    const int error = errno;
    const Errc code = error == ENOENT   ? Errc::NotFound
                      : error == EACCES ? Errc::Permission
                                        : Errc::Io;
    return fail(code, fmt::format("open {}: {}", name, std::strerror(error)), error);
  }
  return file;
}

cbpfc::LinkType describe_link_type(int dlt) {
  Result<cbpfc::LinkType> known = cbpfc::parse_link_type(std::to_string(dlt));
  return known ? *known : cbpfc::LinkType{.dlt = dlt, .linktype = 0, .name = std::to_string(dlt)};
}

}  // namespace

void PcapReader::Close::operator()(pcap* handle) const {
  pcap_close(handle);
}
void PcapWriter::Close::operator()(pcap* handle) const {
  pcap_close(handle);
}
void PcapWriter::Close::operator()(pcap_dumper* dumper) const {
  pcap_dump_close(dumper);
}

Result<PcapReader> PcapReader::open(const std::string& path) {
  PcapReader reader;
  reader.name_ = path == "-" ? "standard input" : path;
  UniqueFile file = TRY(open_file(path, reader.name_));
  reader.time_unit_ = peek_time_unit(file.get());
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  reader.handle_.reset(pcap_fopen_offline_with_tstamp_precision(
      file.get(), PCAP_TSTAMP_PRECISION_NANO, error.data()));
  if (reader.handle_ == nullptr) {
    return fail(Errc::Io, fmt::format("read {}: no capture file (pcap or pcapng): {}", reader.name_,
                                      error.data()));
  }
  [[maybe_unused]] const auto* the_handles_now = file.release();
  reader.link_type_ = describe_link_type(pcap_datalink(reader.handle_.get()));
  return reader;
}

Result<std::optional<CapturedPacket>> PcapReader::next() {
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
  return CapturedPacket{.bytes = {bytes, header->caplen},
                        .wire_length_bytes = std::max(header->len, header->caplen),
                        .seconds = header->ts.tv_sec,
                        .nanoseconds = header->ts.tv_usec};
}

int PcapReader::snapshot_length_bytes() const {
  return pcap_snapshot(handle_.get());
}

Result<PcapWriter> PcapWriter::create(const std::string& path, const PcapReader& like) {
  PcapWriter writer(TRY(WholeFile::create(path)), like.time_unit());
  const auto precision = like.time_unit() == TimeUnit::Nanosecond ? PCAP_TSTAMP_PRECISION_NANO
                                                                  : PCAP_TSTAMP_PRECISION_MICRO;
  writer.handle_.reset(pcap_open_dead_with_tstamp_precision(
      like.link_type().dlt, like.snapshot_length_bytes(), static_cast<unsigned>(precision)));
  // A duplicate: closing it is how its buffer is known to be written, and the file has a life after.
  const int fd = ::fcntl(writer.file_.fd(), F_DUPFD_CLOEXEC, 3);
  UniqueFile stream(::fdopen(fd, "wb"));
  if (stream == nullptr) {
    return writer.failure(errno);
  }
  writer.dumper_.reset(pcap_dump_fopen(writer.handle_.get(), stream.get()));
  if (writer.dumper_ == nullptr) {
    return fail(Errc::Io, fmt::format("write to {}: {}", writer.file_.name(),
                                      pcap_geterr(writer.handle_.get())));
  }
  [[maybe_unused]] const auto* the_dumpers_now = stream.release();
  return writer;
}

std::unexpected<cbpfc::Error> PcapWriter::failure(int error_number) const {
  return fail(Errc::Io, fmt::format("write to {}: {}", file_.name(), std::strerror(error_number)),
              error_number);
}

Result<void> PcapWriter::write(const CapturedPacket& packet) {
  pcap_pkthdr header{};
  header.ts.tv_sec = packet.seconds;
  header.ts.tv_usec = time_unit_ == TimeUnit::Nanosecond
                          ? packet.nanoseconds
                          : packet.nanoseconds / kNanosecondsPerMicrosecond;
  header.caplen = static_cast<std::uint32_t>(packet.bytes.size());
  header.len = packet.wire_length_bytes;
  errno = 0;
  pcap_dump(reinterpret_cast<unsigned char*>(dumper_.get()), &header, packet.bytes.data());
  return std::ferror(pcap_dump_file(dumper_.get())) != 0 ? Result<void>(failure(errno))
                                                         : Result<void>();
}

Result<void> PcapWriter::finish() {
  errno = 0;
  if (pcap_dump_flush(dumper_.get()) != 0 || std::ferror(pcap_dump_file(dumper_.get())) != 0) {
    return failure(errno);
  }
  dumper_.reset();
  return file_.commit();
}

}  // namespace command

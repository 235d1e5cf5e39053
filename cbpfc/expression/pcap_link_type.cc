// SPDX-License-Identifier: BSD-3-Clause
//
// Link types by name and number, and between libpcap's two numberings.
//
// DLT_* numbers differ between systems for a few types (DLT_RAW is 12 here and 14 on OpenBSD),
// files use LINKTYPE_* (101).  libpcap keeps its table of pairs to itself, so we let it write the
// header of a file and read the number there, and let it open a header to ask the other way (or to compile
// as for the packets of a file):
//
//     a1b2c3d4 0002 0004 00000000 00000000 00040000 00000065
//     magic    version   zone     accuracy length   LINKTYPE_RAW
//
// Source: pcap-savefile(5), pcap-linktype(7); libpcap 1.10.3 pcap-common.c dlt_to_linktype().
// Tested by: pcap_filter_test.cc.

#include <cbpfc/pcap_filter.h>
#include <fmt/core.h>

#include <array>
#include <bit>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>

#include "cbpfc/expression/pcap_handle.h"

namespace cbpfc {
namespace {

/// The header of a pcap file in words of the machine: the link type is the last, and may have other things in its upper half.
using FileHeader = std::array<std::uint32_t, 6>;

FileHeader header_of(std::uint16_t linktype, bool is_swapped) {
  constexpr std::uint32_t kMagic = 0xa1b2c3d4;
  constexpr std::uint32_t kSnapshotBytes = 262144;
  constexpr std::uint16_t kMajor = 2;
  constexpr std::uint16_t kMinor = 4;
  const auto version = std::array{kMajor, kMinor};
  const auto swapped_version = std::array{std::byteswap(kMajor), std::byteswap(kMinor)};
  const auto word = [&](std::uint32_t value) { return is_swapped ? std::byteswap(value) : value; };
  return {word(kMagic),
          std::bit_cast<std::uint32_t>(is_swapped ? swapped_version : version),
          0,
          0,
          word(kSnapshotBytes),
          word(linktype)};
}

}  // namespace

std::optional<std::uint16_t> linktype_of(int dlt) {
  const PcapHandle handle(pcap_open_dead(dlt, 262144));
  std::array<std::uint32_t, FileHeader().size() + 1> bytes = {};  // and room for a NUL
  FILE* file = fmemopen(bytes.data(), sizeof bytes, "w");
  pcap_dumper_t* dumper = handle && file != nullptr ? pcap_dump_fopen(handle.get(), file) : nullptr;
  if (dumper == nullptr) {
    if (file != nullptr) {
      std::fclose(file);
    }
    return std::nullopt;
  }
  pcap_dump_close(dumper);  // closes the file, after which the bytes are there
  return static_cast<std::uint16_t>(bytes[FileHeader().size() - 1]);
}

PcapHandle open_empty_file(std::uint16_t linktype, bool is_swapped) {
  const FileHeader header = header_of(linktype, is_swapped);
  // A copy, because it lives longer, with room for the NUL that flushing puts behind the header.
  FILE* file = fmemopen(nullptr, sizeof header + 1, "w+");
  if (file == nullptr) {
    return nullptr;
  }
  std::fwrite(&header, sizeof header, 1, file);
  std::rewind(file);
  std::array<char, PCAP_ERRBUF_SIZE> error = {};
  PcapHandle handle(pcap_fopen_offline(file, error.data()));
  if (!handle) {
    std::fclose(file);
  }
  return handle;
}

namespace {

/// The DLT_* for a number in a file; nullopt if libpcap cannot read such files.
std::optional<int> dlt_of(std::uint16_t linktype) {
  const PcapHandle handle = open_empty_file(linktype, false);
  return handle ? std::optional(pcap_datalink(handle.get())) : std::nullopt;
}

std::optional<int> parse_number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && number >= 0 ? std::optional(number) : std::nullopt;
}

/// The DLT_* that `text` names or numbers.
std::optional<int> find_dlt(std::string_view text) {
  const std::optional<int> number = parse_number(text);
  if (!number) {
    if (text.find('\0') != std::string_view::npos) {
      return std::nullopt;
    }
    std::string name(text);
    int dlt = pcap_datalink_name_to_val(name.c_str());
    constexpr std::size_t kPrefixBytes = 4;
    if (dlt < 0 && name.size() > kPrefixBytes &&
        strncasecmp(name.c_str(), "DLT_", kPrefixBytes) == 0) {
      dlt = pcap_datalink_name_to_val(name.c_str() + kPrefixBytes);
    }
    return dlt < 0 ? std::nullopt : std::optional(dlt);
  }
  if (pcap_datalink_val_to_name(*number) != nullptr || *number > 0xffff) {
    return number;
  }
  return dlt_of(static_cast<std::uint16_t>(*number));
}

}  // namespace

Result<LinkType> parse_link_type(std::string_view text) {
  constexpr std::size_t kLongestQuote = 40;
  constexpr std::string_view kAdvice =
      "give a name such as EN10MB or RAW or a number, see `tcpdump -L` and pcap-linktype(7)";
  const std::optional<int> dlt = find_dlt(text);
  const char* name = dlt ? pcap_datalink_val_to_name(*dlt) : nullptr;
  if (name == nullptr) {
    return fail(Errc::InvalidArgument, fmt::format("link type \"{}\": unknown to libpcap; {}",
                                                   text.substr(0, kLongestQuote), kAdvice));
  }
  const std::optional<std::uint16_t> linktype = linktype_of(*dlt);
  if (!linktype) {
    return fail(
        Errc::InvalidArgument,
        fmt::format("link type \"{}\": libpcap cannot write files with it; {}", name, kAdvice));
  }
  return LinkType{.dlt = *dlt, .linktype = *linktype, .name = name};
}

std::string libpcap_version() {
  return pcap_lib_version();
}

}  // namespace cbpfc

// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <pcap/pcap.h>

#include <cstdint>
#include <memory>
#include <optional>

namespace cbpfc {

struct PcapCloser {
  void operator()(pcap_t* handle) const { pcap_close(handle); }
};
/// What libpcap compiles for or writes with, closed with its owner.
using PcapHandle = std::unique_ptr<pcap_t, PcapCloser>;

/// The number libpcap writes to files for `dlt`; nullopt if files cannot hold it.
std::optional<std::uint16_t> linktype_of(int dlt);

/// A capture file of that link type without packets, in this machine's byte order or the other one; null if
/// libpcap cannot read such files.
PcapHandle open_empty_file(std::uint16_t linktype, bool is_swapped);

}  // namespace cbpfc

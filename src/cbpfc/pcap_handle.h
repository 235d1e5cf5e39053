// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <pcap/pcap.h>

#include <memory>

namespace cbpfc {

struct PcapCloser {
  void operator()(pcap_t* handle) const { pcap_close(handle); }
};
/// What libpcap compiles for or writes with, closed with its owner.
using PcapHandle = std::unique_ptr<pcap_t, PcapCloser>;

}  // namespace cbpfc

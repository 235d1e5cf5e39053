// SPDX-License-Identifier: BSD-3-Clause
//
// Link types from the command line: libpcap's names and numbers, and those of the original xdpcap, which are gopacket's.

#pragma once

#include <cbpfc/pcap_filter.h>

#include <string_view>

namespace xdpcap::cli {

/// Reads a name in any case ("EN10MB", "ethernet", "linux sll") or a number as parse_number() takes it.
/// Errors: those of cbpfc::parse_link_type().
cbpfc::Result<cbpfc::LinkType> parse_link_type(std::string_view text);

}  // namespace xdpcap::cli

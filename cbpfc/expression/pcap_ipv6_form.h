// SPDX-License-Identifier: BSD-3-Clause
//
// Fields of TCP, UDP and ICMP in an expression, for IPv6.
//
//     ip6 and tcp[13] & 2 != 0      matches nothing: tcp[...] begins with a look for IPv4
//     ip6[6] = 6 and ip6[53] & 2 != 0
//
// The header behind IPv6's is at offset 40, if no extension header is in between.
//
// Source: pcap-filter(7); libpcap 1.10.3 gencode.c gen_load().  Tested by: pcap_filter_test.cc.

#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cbpfc/expression/pcap_list.h"

namespace cbpfc {

struct Ipv6Form {
  std::string_view protocol;  ///< of the first such field: "tcp"
  std::string term;           ///< the term that it is in, for IPv6
  std::string
      whole;  ///< the expression with such fields of IPv6, for IPv6 packets of that protocol
};

/// nullopt for an expression without such a field.
std::optional<Ipv6Form> ipv6_form(std::string_view expression, std::span<const Word> words);

}  // namespace cbpfc

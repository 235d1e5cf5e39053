// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: cbpfc/tests/command/link_type_test.cc.

#include "cbpfc/input/link_type.h"

#include <array>
#include <limits>
#include <string>
#include <utility>

#include "base/numbers.h"
#include "base/text.h"

namespace xdpcap::cli {
namespace {

/// The names of gopacket that libpcap does not have, and libpcap's for the same number; others are the same in both (raw, null,
/// loop, ppp, fddi, pflog).  Source: gopacket v1.1.19 layers/enums.go LinkTypeMetadata.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kOtherNames = {
    {{"ethernet", "EN10MB"},
     {"802.11", "IEEE802_11"},
     {"linux sll", "LINUX_SLL"},
     {"prism", "PRISM_HEADER"},
     {"radiotap", "IEEE802_11_RADIO"},
     {"usb", "USB_LINUX_MMAPPED"}}};

}  // namespace

cbpfc::Result<cbpfc::LinkType> parse_link_type(std::string_view text) {
  const std::string_view word = trim(text);
  for (const auto& [other, name] : kOtherNames) {
    if (equal_in_any_case(word, other)) {
      return cbpfc::parse_link_type(name);
    }
  }
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (const cbpfc::Result<std::uint64_t> number = parse_number(word, 0, kMost)) {
    return cbpfc::parse_link_type(std::to_string(*number));
  }
  return cbpfc::parse_link_type(word);
}

}  // namespace xdpcap::cli

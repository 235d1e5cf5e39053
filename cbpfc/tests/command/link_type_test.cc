// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/input/link_type.h"

#include <gtest/gtest.h>

namespace xdpcap::cli {
namespace {

TEST(LinkType, ReadsEveryNameOfTheOriginal) {
  struct Case {
    const char* text;
    int dlt;
  };
  // gopacket's names with their numbers, which the original hands to libpcap as they are.  Of its two Raw the lower comes first.
  constexpr Case kCases[] = {
      {"Null", 0},        {"Ethernet", 1},    {"PPP", 9},           {"FDDI", 10},    {"Raw", 12},
      {"802.11", 105},    {"Loop", 108},      {"Linux SLL", 113},   {"PFLog", 117},  {"Prism", 119},
      {"RadioTap", 127},  {"USB", 220},       {"ethernet", 1},      {"ETHERNET", 1}, {"raw", 12},
      {"linux sll", 113}, {"LINUX SLL", 113}, {" radiotap\t", 127}, {"usb", 220},    {"0xC", 12},
      {"0x1", 1},         {"105", 105},       {"0b1010", 10},
  };
  for (const Case& one : kCases) {
    const cbpfc::Result<cbpfc::LinkType> type = parse_link_type(one.text);
    ASSERT_TRUE(type) << one.text << ": " << type.error().message;
    EXPECT_EQ(type->dlt, one.dlt) << one.text;
  }
}

TEST(LinkType, ReadsLibpcapsNamesAndNumbersOfFiles) {
  EXPECT_EQ(parse_link_type("EN10MB").value().dlt, 1);
  EXPECT_EQ(parse_link_type("dlt_raw").value().dlt, 12);
  EXPECT_EQ(parse_link_type("IEEE802_11_RADIO").value().dlt, 127);
  EXPECT_EQ(parse_link_type("101").value().dlt, 12);
  EXPECT_EQ(parse_link_type("0x65").value().dlt, 12);
}

TEST(LinkType, RefusesOthers) {
  for (const char* text : {"", " ", "NOSUCH", "linux  sll", "-1", "65537", "0x", "ethernet,raw",
                           "99999999999999999999"}) {
    const cbpfc::Result<cbpfc::LinkType> type = parse_link_type(text);
    ASSERT_FALSE(type) << text;
    EXPECT_TRUE(type.error().message.starts_with("link type \"")) << type.error().message;
  }
}

}  // namespace
}  // namespace xdpcap::cli

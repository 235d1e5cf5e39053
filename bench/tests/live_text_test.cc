// SPDX-License-Identifier: BSD-3-Clause

#include "bench/live/live_text.h"

#include <gtest/gtest.h>

namespace bench {
namespace {

TEST(LiveText, TotalsOfACapture) {
  const auto totals = parse_totals(
      "some words before\n"
      "10 packets received, 8 matched, 2 held back, 4 written, 1 lost, 1 not written\n");
  ASSERT_TRUE(totals) << totals.error().message;
  EXPECT_EQ(totals->received, 10U);
  EXPECT_EQ(totals->matched, 8U);
  EXPECT_EQ(totals->held_back, 2U);
  EXPECT_EQ(totals->written, 4U);
  EXPECT_EQ(totals->lost, 1U);
  EXPECT_EQ(totals->unwritten, 1U);
}

TEST(LiveText, TotalsWithoutWhatTheReaderDoesNotKnow) {
  const auto counted = parse_totals("10 packets received, 8 matched\n");
  ASSERT_TRUE(counted);
  EXPECT_EQ(counted->matched, 8U);
  EXPECT_EQ(counted->written, 0U);
  const auto perf = parse_totals("18446744073709551615 written, 1 lost");
  ASSERT_TRUE(perf);
  EXPECT_EQ(perf->received, std::nullopt);
  EXPECT_EQ(perf->written, ~std::uint64_t{0});
}

TEST(LiveText, WhatIsNoLineOfTotals) {
  for (const char* text :
       {"", "\n", "xdpcap: hook /x: busy", "8 matched, ", "8 matched, 3", "8 matched, 3 eaten",
        "-1 written, 1 lost", "8 matched\nxdpcap: cannot write", "18446744073709551616 lost"}) {
    EXPECT_FALSE(parse_totals(text)) << '"' << text << '"';
  }
}

TEST(LiveText, TotalsOfTcpdump) {
  const auto totals = parse_tcpdump_totals(
      "tcpdump: listening on to_a, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n"
      "1 packet captured\n12 packets received by filter\n11 packets dropped by kernel\n");
  ASSERT_TRUE(totals) << totals.error().message;
  EXPECT_EQ(totals->written, 1U);
  EXPECT_EQ(totals->received, 12U);
  EXPECT_EQ(totals->lost, 11U);
  EXPECT_FALSE(parse_tcpdump_totals("1 packet captured\n"));
  EXPECT_FALSE(parse_tcpdump_totals("tcpdump: to_a: No such device exists\n"));
}

TEST(LiveText, ResidentBytesOfRings) {
  constexpr const char* kSmaps =
      "7f00-7f10 rw-s 00000000 00:0e 9   anon_inode:bpf-map\n"
      "Size:               8 kB\nRss:                4 kB\nVmFlags: rd wr\n"
      "7f10-7f20 rw-p 00000000 00:00 0 \n"
      "Rss:              100 kB\n"
      "7f20-7f30 rw-s 00000000 00:0e 9   anon_inode:[perf_event]\n"
      "Rss:                2 kB\n"
      "7f30-7f40 rw-s 00000000 00:08 7   socket:[12345]\n"
      "Rss:                1 kB\n"
      "7f40-7f50 r-xp 00000000 00:08 7   /usr/bin/xdpcap\n"
      "Rss:               64 kB\n";
  EXPECT_EQ(resident_ring_bytes(kSmaps), 7U * 1024);
  EXPECT_EQ(resident_ring_bytes(""), 0U);
}

TEST(LiveText, LinesOfStatus) {
  constexpr const char* kStatus = "Name:\txdpcap\nVmHWM:\t    7412 kB\nVmRSS:\t 12 kB\n";
  EXPECT_EQ(status_bytes(kStatus, "VmHWM"), 7412U * 1024);
  EXPECT_EQ(status_bytes(kStatus, "VmRSS"), 12U * 1024);
  EXPECT_EQ(status_bytes(kStatus, "VmSwap"), 0U);
}

TEST(LiveText, PacketsOfAnInterface) {
  constexpr const char* kTable =
      "Inter-|   Receive                            |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
      "    lo:       0       0    0    0    0     0          0         0        0       0\n"
      "  to_a: 1280000   20000    0    0    0     0          0         0        0       0\n";
  EXPECT_EQ(received_packets(kTable, "to_a").value_or(0), 20000U);
  EXPECT_EQ(received_packets(kTable, "lo").value_or(1), 0U);
  EXPECT_FALSE(received_packets(kTable, "to"));
  EXPECT_FALSE(received_packets("to_a: 1", "to_a"));
}

}  // namespace
}  // namespace bench

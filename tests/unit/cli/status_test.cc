// SPDX-License-Identifier: BSD-3-Clause

#include "cli/status.h"

#include <gtest/gtest.h>

#include <chrono>

#include "descriptors.h"

namespace xdpcap::cli {
namespace {

TEST(Status, NamesEveryAction) {
  ActionTotals counters{};
  counters[2] = {.received = 254, .matched = 0, .lost = 0};
  EXPECT_EQ(format_status(counters, {kActions.begin(), kActions.end()}),
            "XDPAborted: 0/0 XDPDrop: 0/0 XDPPass: 254/0 XDPTx: 0/0 XDPRedirect: 0/0 "
            "(received/matched packets)");
}

TEST(Status, OnlyCapturedActionsAndWhatWasLost) {
  ActionTotals counters{};
  counters[1] = {.received = 12, .matched = 7, .lost = 2};
  counters[2] = {.received = 1, .matched = 1, .lost = 100};
  counters[3] = {.received = 3, .matched = 2, .lost = 1};
  EXPECT_EQ(format_status(counters, {Action::Drop, Action::Tx}),
            "XDPDrop: 12/7 XDPTx: 3/2 (received/matched packets), 3 lost");
}

TEST(Status, Totals) {
  EXPECT_EQ(format_totals({.received = 254, .matched = 10, .written = 10}),
            "254 packets received, 10 matched, 10 written, 0 lost");
  EXPECT_EQ(format_totals({.received = 9, .matched = 8, .written = 4, .lost = 3, .unwritten = 1}),
            "9 packets received, 8 matched, 4 written, 3 lost, 1 not written");
}

TEST(Status, SaysWhatWasHeldBack) {
  ActionTotals counters{};
  counters[1] = {.received = 12, .matched = 7, .held_back = 4};
  counters[2] = {.received = 2, .matched = 2, .held_back = 1, .lost = 1};
  EXPECT_EQ(format_status(counters, {Action::Drop, Action::Pass}),
            "XDPDrop: 12/7 XDPPass: 2/2 (received/matched packets), 5 held back, 1 lost");
  EXPECT_EQ(format_totals({.received = 14, .matched = 9, .held_back = 5, .written = 3, .lost = 1}),
            "14 packets received, 9 matched, 5 held back, 3 written, 1 lost");
  EXPECT_EQ(format_counts({.received = 14, .matched = 9}), "14 packets received, 9 matched");
}

TEST(Status, SaysWhatAFlightRecorderDid) {
  ActionTotals counters{};
  counters[1] = {.received = 12, .matched = 7, .overwritten = 3, .in_memory = 1, .written = 1};
  counters[2] = {.received = 5, .matched = 5, .overwritten = 1, .in_memory = 4};
  EXPECT_EQ(format_status(counters, {Action::Drop, Action::Pass}),
            "XDPDrop: 12/7 XDPPass: 5/5 (received/matched packets), 4 overwritten, 5 in memory");
  EXPECT_EQ(format_totals({.received = 14,
                           .matched = 9,
                           .held_back = 1,
                           .overwritten = 5,
                           .written = 3,
                           .lost = 0}),
            "14 packets received, 9 matched, 1 held back, 5 overwritten, 3 written, 0 lost");
}

TEST(Status, NeverWrapsOnATerminal) {
  EXPECT_EQ(replace_line("abcdef", 80), "\rabcdef\x1b[K");
  EXPECT_EQ(replace_line("abcdef", 7), "\rabcdef\x1b[K");
  EXPECT_EQ(replace_line("abcdef", 6), "\rabcde\x1b[K");
  EXPECT_EQ(replace_line("abcdef", 1), "\r\x1b[K");
  EXPECT_EQ(replace_line("abcdef", 0), "\r\x1b[K");
}

TEST(Status, LineThatHasNoRoomIsDroppedAtOnce) {
  const test::StuckPipe pipe;
  const test::ReplacedDescriptor stuck(STDERR_FILENO, pipe.writer());
  StatusLine status;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) {
    status.print("dropped");
  }
  status.end();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(400));
  pipe.make_room();
  status.print("kept");
  EXPECT_TRUE(pipe.rest().ends_with("xkept\n"));
}

}  // namespace
}  // namespace xdpcap::cli

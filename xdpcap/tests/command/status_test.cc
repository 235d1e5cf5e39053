// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/statistics/status.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/tests/descriptors.h"

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

// Widths on both sides of each step; the last column stays free.
TEST(Status, ANarrowTerminalGetsLessAndTheLossesFirst) {
  const std::vector<Action> all(kActions.begin(), kActions.end());
  ActionTotals some{};
  some[1] = {.received = 12, .matched = 7, .held_back = 4};
  some[4] = {.received = 123'456'789, .matched = 20'000, .lost = 148'927};
  const std::vector<std::string> steps = {
      "148927 lost, XDPAborted: 0/0 XDPDrop: 12/7 XDPPass: 0/0 XDPTx: 0/0 XDPRedirect: 123456789/20000 "
      "(received/matched packets), 4 held back",
      "148927 lost, XDPDrop: 12/7 XDPRedirect: 123456789/20000 (received/matched packets), 4 held back",
      "148927 lost, XDPDrop: 12/7 XDPRedirect: 123456789/20000, 4 held back",
      "148927 lost, XDPDrop: 12/7 XDPRedirect: 123M/20.0k, 4 held back",
      "148927 lost, all: 123456801/20007, 4 held back",
      "148927 lost, all: 123M/20.0k, 4 held back",
  };
  for (std::size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(fit_status(some, all, steps[i].size() + 1), steps[i]);
    EXPECT_EQ(fit_status(some, all, steps[i].size()),
              i + 1 < steps.size() ? steps[i + 1] : "148927 lost");
  }
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(fit_status(some, all, steps[i].size() + 1, true), steps[i]);
  }
  EXPECT_EQ(fit_status(some, all, 50, true), steps[2]) << "it wraps rather than being less exact";
  EXPECT_EQ(fit_status(some, all, 12), "148927 lost");
  EXPECT_EQ(fit_status(some, all, 11), "") << "part of a number would be another number";
  EXPECT_EQ(fit_status(some, all, 1), "");
  EXPECT_EQ(fit_status(some, all, 0), "");
}

TEST(Status, WithoutPacketsANarrowTerminalHasTheSum) {
  const std::vector<Action> all(kActions.begin(), kActions.end());
  EXPECT_EQ(fit_status({}, all, 200), format_status({}, all));
  EXPECT_EQ(fit_status({}, all, 80), "all: 0/0 (received/matched packets)");
  EXPECT_EQ(fit_status({}, all, 20), "all: 0/0");
}

// Every action busy, at rates and for times that occur: on 80, 50 and 40 columns losses, and all packets in some form.
TEST(Status, LargeNumbersFit) {
  const std::vector<Action> all(kActions.begin(), kActions.end());
  ActionTotals busy{};
  for (PacketTotals& one : busy) {
    one = {.received = 9'876'543'210, .matched = 9'876'543'210, .lost = 123'456'789};
  }
  EXPECT_EQ(fit_status(busy, all, 80), "617283945 lost, all: 49382716050/49382716050");
  EXPECT_EQ(fit_status(busy, all, 50), "617283945 lost, all: 49382716050/49382716050");
  EXPECT_EQ(fit_status(busy, all, 40), "617283945 lost, all: 49.4G/49.4G");
  EXPECT_EQ(fit_status(busy, {Action::Drop, Action::Pass}, 80),
            "246913578 lost, XDPDrop: 9876543210/9876543210 XDPPass: 9876543210/9876543210");
}

TEST(Status, ShortNumbersHaveThreeDigits) {
  const auto shortened = [](std::uint64_t packets) {
    ActionTotals totals{};
    totals[1] = {.received = packets};
    const std::string line = fit_status(totals, {Action::Drop}, 16);
    return line.substr(0, line.rfind('/'));
  };
  EXPECT_EQ(shortened(9'999), "XDPDrop: 9999");
  EXPECT_EQ(shortened(99'949), "all: 99949");
  EXPECT_EQ(shortened(1'234'567'890), "all: 1.23G");
  EXPECT_EQ(shortened(99'949'999'999), "all: 99.9G");
  EXPECT_EQ(shortened(999'499'999'999), "XDPDrop: 999G");
  EXPECT_EQ(shortened(999'500'000'000), "all: 1.00T");
  EXPECT_EQ(shortened(9'994'999'999'999), "all: 9.99T");
  EXPECT_EQ(shortened(9'995'000'000'000), "all: 10.0T");
  EXPECT_EQ(shortened(UINT64_MAX), "all: 18.4E");
}

// The cursor waits at the start: what the terminal echoes is written over.
TEST(Status, ALineTakesThePlaceOfTheOneBefore) {
  EXPECT_EQ(replace_line("abcdef"), "\rabcdef\x1b[J\r");
}

TEST(Status, LineThatHasNoRoomIsDroppedAtOnce) {
  const test::StuckPipe pipe;
  const test::ReplacedDescriptor stuck(STDERR_FILENO, pipe.writer());
  StatusLine status;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) {
    status.print({}, {Action::Drop});
  }
  status.end();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(400));
  pipe.make_room();
  status.print({}, {Action::Pass});
  EXPECT_TRUE(pipe.rest().ends_with("xXDPPass: 0/0 (received/matched packets)\n"));
  status.print_last({}, {Action::Tx});
  EXPECT_EQ(pipe.rest(), "XDPTx: 0/0 (received/matched packets)\n");
}

}  // namespace
}  // namespace xdpcap::cli

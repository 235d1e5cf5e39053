// SPDX-License-Identifier: BSD-3-Clause

#include <gtest/gtest.h>

#include "base/report.h"
#include "xdpcap/command/xdpcap_report.h"

namespace xdpcap::cli {
namespace {

TEST(Original, TheStatisticsLineHasTabs) {
  ActionTotals totals{};
  totals[index(Action::Aborted)] = {.received = 2, .matched = 2, .lost = 7};
  totals[5] = {.received = 9, .matched = 1};
  EXPECT_EQ(
      original_status(totals, {kActions.begin(), kActions.end()}),
      "aborted: 2/2\tdrop: 0/0\tpass: 0/0\ttx: 0/0\tredirect: 0/0\t(received/matched packets)");
  EXPECT_EQ(original_status(totals, {action_of(5), Action::Tx}),
            "xdpAction(5): 9/1\ttx: 0/0\t(received/matched packets)");
}

TEST(Original, ExitCodesAreTheOtherWayRound) {
  EXPECT_EQ(original_exit_code(kExitSuccess), 0);
  EXPECT_EQ(original_exit_code(kExitUsage), 1);
  EXPECT_EQ(original_exit_code(kExitFailure), 2);
}

}  // namespace
}  // namespace xdpcap::cli

// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/kernel/action.h"

#include <gtest/gtest.h>

#include <vector>

namespace xdpcap {
namespace {

using enum Action;

TEST(ActionTest, NumbersAndNamesAreTheKernels) {
  EXPECT_EQ(index(Aborted), 0U);
  EXPECT_EQ(index(Drop), 1U);
  EXPECT_EQ(index(Pass), 2U);
  EXPECT_EQ(index(Tx), 3U);
  EXPECT_EQ(index(Redirect), 4U);
  EXPECT_EQ(name(Aborted), "XDPAborted");
  EXPECT_EQ(name(Drop), "XDPDrop");
  EXPECT_EQ(name(Pass), "XDPPass");
  EXPECT_EQ(name(Tx), "XDPTx");
  EXPECT_EQ(name(Redirect), "XDPRedirect");
}

TEST(ActionTest, OthersAreNumbers) {
  EXPECT_EQ(name(action_of(5)), "action 5");
  EXPECT_EQ(name(action_of(31)), "action 31");
  EXPECT_EQ(short_name(action_of(31)), "action31");
  EXPECT_EQ(short_name(Redirect), "redirect");
  EXPECT_EQ(first_actions(2), (std::vector{Aborted, Drop}));
  EXPECT_EQ(first_actions(1000).size(), kMostActions);
  EXPECT_EQ(first_actions(1000).back(), action_of(31));
}

}  // namespace
}  // namespace xdpcap

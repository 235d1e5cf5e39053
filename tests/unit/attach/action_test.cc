// SPDX-License-Identifier: BSD-3-Clause

#include "attach/action.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace xdpcap

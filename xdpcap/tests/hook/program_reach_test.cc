// SPDX-License-Identifier: BSD-3-Clause

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xdpcap/inspect/hook_inventory.h"

namespace xdpcap {
namespace {

using testing::ElementsAre;

TEST(ProgramReachTest, FollowsCallsAndEnds) {
  const ProgramCalls calls = {{1, {2, 3}}, {2, {4}}, {3, {4, 1}}, {4, {4}}, {9, {1}}};
  EXPECT_THAT(programs_reached(1, calls), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(programs_reached(2, calls), ElementsAre(2, 4));
  EXPECT_THAT(programs_reached(9, calls), ElementsAre(9, 1, 2, 3, 4));
  EXPECT_THAT(programs_reached(7, calls), ElementsAre(7));
}

}  // namespace
}  // namespace xdpcap

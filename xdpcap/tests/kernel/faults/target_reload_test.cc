// SPDX-License-Identifier: BSD-3-Clause
//
// The target is loaded anew under captures, as a daemon does that is updated: the hook stays, the program that calls it is another one.

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <memory>

#include "xdpcap/tests/kernel/faults/rounds.h"
#include "xdpcap/tests/kernel/faults/stage.h"

namespace xdpcap::test {
namespace {

class TargetReload : public FaultTest {};

TEST_F(TargetReload, AThousandTimesUnderCaptures) {
  const int reloads = rounds_of(1'000);
  const Stage stage;
  const Rig& rig = stage.rig();
  SharedCapture witness(stage, "");
  ASSERT_TRUE(witness.enters());
  SharedCapture capture(stage, "/dev/null", {"-s", "64"});
  ASSERT_TRUE(capture.enters());
  Traffic traffic(rig);
  std::unique_ptr<Target> attached;  // the link keeps only the last one's program
  for (int i = 0; i < reloads; ++i) {
    auto next = std::make_unique<Target>(TargetOptions{.hook_fd = stage.hook_fd()});
    {
      const auto inside = rig.observed().enter();
      next->redirect_to(rig.observed().left_ifindex());
    }
    ASSERT_EQ(bpf_link_update(rig.target_link(), next->program_fd(), nullptr), 0) << i;
    attached = std::move(next);
  }
  const Tally tally = traffic.stop();
  expect_exact(witness.stop(), tally);
  const Totals totals = capture.stop();
  expect_exact(totals, tally);
  expect_balance(totals);
  fmt::print("{} reloads, {} frames, {} wrong\n", reloads, tally.sent(), tally.wrong);
}

}  // namespace
}  // namespace xdpcap::test

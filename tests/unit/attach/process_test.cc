// SPDX-License-Identifier: BSD-3-Clause

#include "kernel/process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace xdpcap {
namespace {

TEST(Process, IsTheOneItWas) {
  const ProcessIdentity self = own_identity();
  EXPECT_EQ(self.pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(is_running(self), true);
  ProcessIdentity earlier = self;
  --earlier.start_time_ticks;
  EXPECT_EQ(is_running(earlier), false);
  ProcessIdentity elsewhere = self;
  ++elsewhere.pid_namespace;
  EXPECT_EQ(is_running(elsewhere), std::nullopt);
  EXPECT_NE(command_line(::getpid()), "");
}

TEST(Process, MayEndWhileItIsLookedAt) {
  for (int i = 0; i < 300; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(0);
    }
    ASSERT_GT(child, 0);
    std::thread waiter([child] { ::waitpid(child, nullptr, 0); });
    while (identity_of(child)) {
      command_line(child);
    }
    waiter.join();
  }
  EXPECT_EQ(identity_of(-1), std::nullopt);
}

}  // namespace
}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <thread>

#include "base/process_start.h"
#include "xdpcap/tests/kernel/process_identity.h"

namespace xdpcap::test {
namespace {

/// A process that sleeps, under a name of its own.
class Child {
 public:
  explicit Child(const char* name = nullptr) {
    int ends[2] = {};
    EXPECT_EQ(::pipe(ends), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      if (name != nullptr) {
        ::prctl(PR_SET_NAME, name, 0, 0, 0);
      }
      static_cast<void>(::write(ends[1], "", 1));
      while (true) {
        ::pause();
      }
    }
    char ready = 0;
    EXPECT_EQ(::read(ends[0], &ready, 1), 1);
    ::close(ends[0]);
    ::close(ends[1]);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }
  /// It is a zombie when this returns.
  void die() const {
    ::kill(pid_, SIGKILL);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  }

 private:
  pid_t pid_ = -1;
};

TEST(Process, KnowsItself) {
  const ProcessIdentity self = own_identity();
  EXPECT_EQ(self.pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_NE(self.pid_namespace, 0U);
  EXPECT_EQ(identity_of(::getpid()), self);
  EXPECT_EQ(is_running(self), true);
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  const auto ticks = static_cast<std::uint64_t>(now.tv_sec + 1) *
                     static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  EXPECT_GT(self.start_time_ticks, 0U);
  EXPECT_LE(self.start_time_ticks, ticks);
}

TEST(Process, AChildRunsUntilItDiesAndAZombieDoesNot) {
  const Child child;
  const std::optional<ProcessIdentity> identity = identity_of(child.pid());
  ASSERT_TRUE(identity);
  EXPECT_GE(identity->start_time_ticks, own_identity().start_time_ticks);
  EXPECT_EQ(is_running(*identity), true);
  ::kill(child.pid(), SIGSTOP);
  EXPECT_EQ(is_running(*identity), true) << "stopped is not dead";
  child.die();
  EXPECT_TRUE(identity_of(child.pid())) << "the test wants a zombie here";
  EXPECT_EQ(is_running(*identity), false);
}

TEST(Process, APidThatIsAnothersNowIsNotTheProcess) {
  ProcessIdentity earlier = own_identity();
  --earlier.start_time_ticks;
  EXPECT_EQ(is_running(earlier), false);
}

TEST(Process, OfAnotherNamespaceNothingIsKnown) {
  ProcessIdentity elsewhere = own_identity();
  ++elsewhere.pid_namespace;
  EXPECT_EQ(is_running(elsewhere), std::nullopt);
}

TEST(Process, PidsThatNobodyHas) {
  for (const std::uint32_t pid : {0U, 0x7fffffffU, 0xffffffffU, 1U << 22U}) {
    ProcessIdentity nobody = own_identity();
    nobody.pid = pid;
    EXPECT_EQ(is_running(nobody), false) << pid;
    EXPECT_EQ(identity_of(static_cast<pid_t>(pid)), std::nullopt) << pid;
  }
}

// The second field of /proc/PID/stat is the name in parentheses, with whatever is in it.
TEST(Process, NamesMayHoldAnything) {
  const Child plain;
  const std::uint64_t earliest = identity_of(plain.pid())->start_time_ticks;
  for (const char* name : {"a b", "(x)", ") Z 1 2 3", ")))", "((", "a\nb) Z 0", ""}) {
    const Child child(name);
    const std::optional<ProcessIdentity> identity = identity_of(child.pid());
    ASSERT_TRUE(identity) << name;
    EXPECT_EQ(is_running(*identity), true) << name;
    EXPECT_GE(identity->start_time_ticks, earliest) << name;
    EXPECT_LE(identity->start_time_ticks, earliest + 1000) << name;
  }
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
      cli::command_line(child);
    }
    waiter.join();
  }
  EXPECT_EQ(identity_of(-1), std::nullopt);
}

}  // namespace
}  // namespace xdpcap::test

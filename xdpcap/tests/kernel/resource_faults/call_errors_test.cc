// SPDX-License-Identifier: BSD-3-Clause
//
// Every system call of a capture that the kernel may refuse, refused in turn (injection.h).

#include <gtest/gtest.h>

#include "xdpcap/privilege/system_calls.h"
#include "xdpcap/tests/kernel/resource_faults/injection.h"
#include "xdpcap/tests/kernel/resource_faults/traffic.h"

namespace xdpcap::test {
namespace {

class CallErrors : public ResourceFaults {};

void expect_survived(const std::vector<Injection>& injections) {
  const Stage stage;
  Traffic traffic(stage.rig());
  for (const Injection& injection : injections) {
    const Outcomes outcomes = inject_in_turn(
        stage, injection, {"-c", "30", stage.rig().hook(), stage.file("out.pcapng")});
    EXPECT_GT(outcomes.runs(), 0U) << injection.call;
  }
  traffic.stop();
}

TEST_F(CallErrors, OfBpfWithoutMemory) {
  expect_survived({{"bpf", "error=ENOMEM", 5}});
}

TEST_F(CallErrors, OfBpfForOtherReasons) {
  expect_survived({{"bpf", "error=EPERM", 23},
                   {"bpf", "error=EINVAL", 29},
                   {"bpf", "error=EAGAIN", 31},
                   {"bpf", "error=E2BIG", 37}});
}

TEST_F(CallErrors, OfWaiting) {
  expect_survived({{"ppoll", "error=ENOMEM", 5},
                   {"ppoll", "error=EINTR", 5},
                   {"poll", "error=ENOMEM"},
                   {"poll", "error=EINTR"},
                   {"epoll_create1", "error=EMFILE"},
                   {"epoll_ctl", "error=ENOSPC"},
                   {"signalfd4", "error=ENFILE"},
                   {"eventfd2", "error=EMFILE"},
                   {"membarrier", "error=EINVAL"},
                   {"membarrier", "error=ENOSYS"}});
}

TEST_F(CallErrors, OfThreadsAndProcesses) {
  expect_survived({{"clone3,vfork", "error=EAGAIN"},
                   {"clone3,vfork", "error=ENOMEM"},
                   {"clone", "error=EAGAIN"},
                   {"pidfd_open", "error=ENOSYS"},
                   {"wait4", "error=ECHILD"},
                   {"setsid", "error=EPERM"},
                   {"fcntl", "error=EMFILE"}});
}

TEST_F(CallErrors, OfGivingUpPrivileges) {
  if (kIsSanitized) {
    GTEST_SKIP() << "the sanitizer's runtime makes these calls, too, and paths stay with it";
  }
  expect_survived({{"capset", "error=EPERM"},
                   {"prctl", "error=EINVAL", 20},
                   {"seccomp", "error=EINVAL"},
                   {"landlock_create_ruleset", "error=ENOSYS"},
                   {"landlock_create_ruleset", "error=EOPNOTSUPP"},
                   {"landlock_restrict_self", "error=E2BIG"}});
}

TEST_F(CallErrors, OfTheGuardian) {
  expect_survived({{"socketpair", "error=EMFILE"},
                   {"sendto", "error=ENOBUFS"},
                   {"sendto", "error=EINTR"},
                   {"flock", "error=ENOLCK"},
                   {"flock", "error=EINTR"}});
}

TEST_F(CallErrors, OfMemoryAndFiles) {
  if (kIsSanitized) {
    GTEST_SKIP() << "the sanitizer's runtime makes these calls, too, and dies of their failure";
  }
  constexpr bool kSkipsLoader = true;
  expect_survived({{"rt_sigprocmask", "error=EINVAL", 2},
                   {"getrandom", "error=ENOSYS"},
                   {"mmap", "error=ENOMEM", 1, kSkipsLoader},
                   {"openat", "error=ENFILE", 1, kSkipsLoader},
                   {"mkdir,mkdirat", "error=ENOMEM"},
                   {"fchdir", "error=EACCES"},
                   {"write", "error=EINTR"}});
}

TEST_F(CallErrors, OfTheOutputFile) {
  const auto on_output = [](const char* call, const char* fault) {
    return Injection{.call = call, .fault = fault, .on_output_only = true};
  };
  expect_survived({on_output("openat", "error=EMFILE"), on_output("fstat,newfstatat", "error=EIO"),
                   on_output("write", "error=EIO"), on_output("write", "error=EDQUOT"),
                   on_output("write", "error=EROFS"), on_output("write", "error=EINTR"),
                   on_output("close", "error=EIO"), on_output("close", "error=EDQUOT")});
}

}  // namespace
}  // namespace xdpcap::test

// SPDX-License-Identifier: BSD-3-Clause
//
// A capture that enters, changes its filter and leaves, killed before each system call that changes anything: all others see each
// packet once, before and after a neighbour has taken out what it left.

#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <iterator>
#include <optional>

#include "xdpcap/sharing/chain.h"
#include "xdpcap/tests/kernel/sharing/chain_rig.h"

namespace xdpcap {
namespace {

using test::ForeignProgram;
using test::received;
using Rig = test::ChainRig;

class ChainKilledTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

bool changes_something(long call) {
  constexpr long kChanging[] = {
      SYS_bpf,   SYS_mkdirat, SYS_unlinkat, SYS_flock, SYS_renameat2,
#ifdef SYS_mkdir  // not on every architecture
      SYS_mkdir, SYS_rmdir,   SYS_unlink,
#endif
  };
  return std::ranges::find(kChanging, call) != std::end(kChanging);
}

/// A process that captures XDPPass, filters anew and leaves, killed before its `nth` such call; false: it had fewer, and has left.
bool kill_before(const Rig& rig, int nth) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    Result<HookCapture> capture = rig.capture({Action::Pass});
    const bool has_left =
        capture && capture->replace_filter(test::constant_filter(0)) && capture->detach();
    ::_exit(has_left ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
  int calls = 0;
  while (true) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) {
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
      return false;
    }
    __ptrace_syscall_info info{};
    ::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info);
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY &&
        changes_something(static_cast<long>(info.entry.nr)) && ++calls == nth) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      return true;
    }
  }
}

TEST_F(ChainKilledTest, BeforeEachOfItsCallsBetweenNeighbours) {
  const Rig rig;
  const ForeignProgram foreign(rig);
  foreign.put();
  std::optional<HookCapture> behind(rig.capture({Action::Pass}).value());
  std::optional<HookCapture> gap(rig.capture({Action::Pass}).value());
  for (const bool has_front : {false, true}) {
    std::optional<HookCapture> front;
    if (has_front) {
      front.emplace(rig.capture({Action::Pass}).value());
    }
    gap.reset();
    int nth = 1;
    while (kill_before(rig, nth)) {
      SCOPED_TRACE(fmt::format("call {}{}", nth, has_front ? ", with one in front" : ""));
      for (const char* when : {"before", "after"}) {
        const std::uint64_t of_behind = received(*behind);
        const std::uint64_t of_front = front ? received(*front) : 0;
        const std::uint64_t of_foreign = foreign.received();
        rig.send();
        ASSERT_EQ(received(*behind), of_behind + 1) << when;
        ASSERT_TRUE(!front || received(*front) == of_front + 1) << when;
        ASSERT_EQ(foreign.received(), of_foreign + 1) << when;
        static_cast<void>(behind->chain()->remove_dead());
        ASSERT_EQ(rig.chain().members().size(), front ? 2U : 1U) << when;
      }
      ++nth;
    }
    EXPECT_GT(nth, 50) << "it has been killed everywhere";
    gap.emplace(rig.capture({Action::Pass}).value());
  }
  gap.reset();
  behind.reset();
  EXPECT_EQ(rig.hook.holder(Action::Pass).value(), foreign.id);
  foreign.remove();
  rig.expect_untouched();
}

TEST_F(ChainKilledTest, BeforeEachOfItsCallsAsTheOnlyOneOfItsAction) {
  for (const bool has_foreign : {false, true}) {
    const Rig rig;
    const ForeignProgram foreign(rig);
    if (has_foreign) {
      foreign.put();
    }
    HookCapture neighbour = rig.capture({Action::Drop}).value();
    int nth = 1;
    for (; kill_before(rig, nth); ++nth) {
      SCOPED_TRACE(fmt::format("call {}{}", nth, has_foreign ? ", with a foreign program" : ""));
      const std::uint64_t of_foreign = foreign.received();
      rig.send();
      ASSERT_EQ(foreign.received(), of_foreign + (has_foreign ? 1 : 0));
      static_cast<void>(neighbour.chain()->remove_dead());
      ASSERT_EQ(rig.hook.holder(Action::Pass).value(),
                has_foreign ? std::optional(foreign.id) : std::nullopt);
    }
    EXPECT_GT(nth, 50) << "it has been killed everywhere";
  }
}

TEST_F(ChainKilledTest, BeforeEachOfItsCallsAlone) {
  const Rig rig;
  int nth = 1;
  for (; kill_before(rig, nth); ++nth) {
    SCOPED_TRACE(fmt::format("call {}", nth));
    rig.send();
    std::vector<std::string> notes;
    const Result<Chain> next = Chain::join(rig.hook, {.actions = {Action::Pass}}, notes);
    ASSERT_TRUE(next) << next.error().message;
    ASSERT_THAT(rig.filled(), testing::IsEmpty());
  }
  EXPECT_GT(nth, 150) << "it has been killed everywhere";
  rig.expect_untouched();
}

}  // namespace
}  // namespace xdpcap

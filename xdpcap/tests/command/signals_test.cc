// SPDX-License-Identifier: BSD-3-Clause
//
// Each case in a child process: signals belong to the process.

#include "xdpcap/command/signals.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

namespace xdpcap::cli {
namespace {

using std::chrono::milliseconds;

// 0: the signal arrived at the descriptor; 1: it did not; 2: no descriptor.
int exit_code_after(int signal, bool is_ignored_at_start) {
  ::signal(signal, is_ignored_at_start ? SIG_IGN : SIG_DFL);
  const cbpfc::Result<StopSignals> signals = StopSignals::block();
  if (!signals) {
    return 2;
  }
  if (signals->wait(milliseconds(0))) {
    return 2;
  }
  ::kill(::getpid(), signal);
  return signals->wait(milliseconds(100)) ? 0 : 1;
}

TEST(StopSignalsDeathTest, ArriveAtTheDescriptor) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    EXPECT_EXIT(::_exit(exit_code_after(signal, false)), testing::ExitedWithCode(0), "") << signal;
  }
}

TEST(StopSignalsDeathTest, NohupIsHonouredBackgroundJobsCanBeInterrupted) {
  EXPECT_EXIT(::_exit(exit_code_after(SIGHUP, true)), testing::ExitedWithCode(1), "");
  EXPECT_EXIT(::_exit(exit_code_after(SIGINT, true)), testing::ExitedWithCode(0), "");
}

TEST(RequestSignalsDeathTest, EachIsTakenOnceHoweverOftenItCame) {
  const auto take = [] {
    const auto signals = RequestSignals::block({SIGUSR1, SIGUSR2});
    if (!signals || signals->take()) {
      ::_exit(1);
    }
    for (const int signal : {SIGUSR2, SIGUSR1, SIGUSR2}) {
      ::kill(::getpid(), signal);
    }
    const std::optional<int> first = signals->take();
    const std::optional<int> second = signals->take();
    const bool are_both = first == SIGUSR1 && second == SIGUSR2;
    ::_exit(are_both && !signals->take() ? 0 : 2);
  };
  EXPECT_EXIT(take(), testing::ExitedWithCode(0), "");
}

TEST(RequestSignalsDeathTest, OneDescriptorLeavesTheSignalsOfAnother) {
  const auto take = [] {
    const auto one = RequestSignals::block({SIGUSR1});
    const auto other = RequestSignals::block({SIGUSR2});
    if (!one || !other) {
      ::_exit(1);
    }
    ::kill(::getpid(), SIGUSR1);
    ::_exit(!other->take() && one->take() == SIGUSR1 ? 0 : 2);
  };
  EXPECT_EXIT(take(), testing::ExitedWithCode(0), "");
}

// An ignored SIGINT would be lost while a filter is compiled, when nothing is blocked yet.
TEST(StopSignalsDeathTest, BackgroundJobsCanBeInterruptedFromTheStart) {
  const auto interrupt = [] {
    ::signal(SIGINT, SIG_IGN);
    heed_interrupts();
    ::kill(::getpid(), SIGINT);
    ::_exit(0);
  };
  EXPECT_EXIT(interrupt(), testing::KilledBySignal(SIGINT), "");
}

TEST(StopSignalsDeathTest, FailedWritesAreErrorsNotSignals) {
  EXPECT_EXIT(::_exit(exit_code_after(SIGPIPE, false)), testing::ExitedWithCode(1), "");
  EXPECT_EXIT(::_exit(exit_code_after(SIGXFSZ, false)), testing::ExitedWithCode(1), "");
}

}  // namespace
}  // namespace xdpcap::cli

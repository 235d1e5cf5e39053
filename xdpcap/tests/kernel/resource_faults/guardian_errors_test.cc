// SPDX-License-Identifier: BSD-3-Clause
//
// A guardian whose bpf(2) calls fail in turn while it takes its capture out of the hook, which has been killed, or asks for it.
//
// strace joins the guardian when it is at its post; call_errors_test.cc comes to these calls only where its capture survives the
// same error.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <iterator>

#include "xdpcap/tests/kernel/resource_faults/stage.h"
#include "xdpcap/tests/kernel/resource_faults/traffic.h"

namespace xdpcap::test {
namespace {

class GuardianErrors : public ResourceFaults {};

bool is_traced(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("TracerPid:")) {
      return !line.ends_with("\t0");
    }
  }
  return false;
}

// Ends a capture with `signal` while the n-th call of its guardian fails; whether there was such a call.
bool end_with_fault(const Stage& stage, int n, int signal, const std::string& fault) {
  SCOPED_TRACE(fmt::format("{} at call {}, signal {}", fault, n, signal));
  const std::string file = stage.file("out.pcapng");
  const std::string log = stage.file("strace");
  Process capture(stage.command({stage.rig().hook(), file}));
  EXPECT_TRUE(becomes_true([&] { return filled_slots(stage.hook_fd()) == 5; })) << capture.errors();
  const std::vector<pid_t> guardians = stage.guardians();
  if (guardians.size() != 1) {
    ADD_FAILURE() << "no guardian";
    return false;
  }
  Process strace({"strace", "-qq", "-o", log, "-p", std::to_string(guardians[0]), "-e", "trace=bpf",
                  "-e", fmt::format("inject=bpf:{}:when={}", fault, n)});
  EXPECT_TRUE(becomes_true([&] { return is_traced(guardians[0]); })) << strace.errors();
  capture.signal(signal);
  const Ended end = capture.wait();
  EXPECT_TRUE(end.is_over);
  if (signal == SIGINT) {
    EXPECT_EQ(end.signal, 0);
    EXPECT_TRUE(capture.errors().ends_with(" lost\n")) << capture.errors();
  }
  stage.expect_nothing_left();
  EXPECT_TRUE(strace.wait().is_over);
  std::ifstream lines(log);
  const std::string text{std::istreambuf_iterator<char>(lines), std::istreambuf_iterator<char>()};
  return text.find("(INJECTED)") != std::string::npos;
}

TEST_F(GuardianErrors, DoNotKeepACaptureInTheHook) {
  constexpr int kMostCalls = 1'000;
  const Stage stage;
  Traffic traffic(stage.rig());
  for (const int signal : {SIGINT, SIGKILL}) {
    int faults = 0;
    for (int n = 1; n < kMostCalls && !HasFailure(); ++n, ++faults) {
      if (!end_with_fault(stage, n, signal, "error=ENOMEM")) {
        break;
      }
    }
    EXPECT_GT(faults, 0);
    fmt::print("{} faults while a capture ends by signal {}\n", faults, signal);
  }
  traffic.stop();
}

}  // namespace
}  // namespace xdpcap::test

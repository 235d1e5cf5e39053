// SPDX-License-Identifier: BSD-3-Clause
//
// A capture lives, and another xdpcap on the hook does not see its process: another mount, PID or time namespace, a /proc that hides it.
// It must stay, and see every packet; and what is said of it must be true.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string_view>
#include <thread>

#include "xdpcap/privilege/system_calls.h"
#include "xdpcap/tests/kernel/attacks/attack_test.h"
#include "xdpcap/tests/kernel/resource_faults/ordinary_user.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;

/// Where the second xdpcap runs.
struct Place {
  const char* name;
  std::vector<std::string> (*enter)(const std::vector<std::string>& command);
  bool stops_guardian = false;
  bool shares = true;  ///< false: another user, who does not know the captures of this one
};

void PrintTo(const Place& place, std::ostream* stream) {
  *stream << place.name;
}

std::vector<std::string> under(std::vector<std::string> words,
                               const std::vector<std::string>& command) {
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

std::vector<std::string> with_mounts(const std::string& setup,
                                     const std::vector<std::string>& command) {
  return under({"unshare", "--mount", "--propagation", "private"}, in_shell(setup, command));
}

// Members of the group still see everything; root is in group 0, which is the usual one.
constexpr const char* kHide = "mount -t proc -o hidepid=2,gid=64321 proc /proc";

const Place kPlaces[] = {
    {.name = "ProcHidesOthers",
     .enter =
         [](const std::vector<std::string>& command) {
           return with_mounts(kHide, without_capabilities("sys_ptrace", command));
         }},
    {.name = "ProcHidesOthersFromAnotherUser",
     .enter =
         [](const std::vector<std::string>& command) {
           const std::string set = "-all,+bpf,+net_admin,+perfmon,+sys_admin,+dac_override";
           return with_mounts(
               kHide,
               under({"setpriv", fmt::format("--reuid={}", OrdinaryUser::kUser), "--clear-groups",
                      "--inh-caps=" + set, "--ambient-caps=" + set, "--bounding-set=" + set},
                     command));
         },
     .shares = false},
    {.name = "TimeNamespace",
     .enter =
         [](const std::vector<std::string>& command) {
           return under({"unshare", "--time", "--boottime", "100000", "--fork", "--kill-child"},
                        command);
         }},
    {.name = "PidNamespaceGuardianStopped",
     .enter =
         [](const std::vector<std::string>& command) {
           return under({"unshare", "--pid", "--fork", "--kill-child", "--mount-proc"}, command);
         },
     .stops_guardian = true},
    {.name = "PidNamespaceSameProc",
     .enter =
         [](const std::vector<std::string>& command) {
           return under({"unshare", "--pid", "--fork", "--kill-child"}, command);
         }},
    {.name = "NoProc",
     .enter =
         [](const std::vector<std::string>& command) {
           return with_mounts("umount -l /proc", command);
         }},
    {.name = "ProcIsEmpty",
     .enter =
         [](const std::vector<std::string>& command) {
           return with_mounts("mount -t tmpfs tmpfs /proc", command);
         }},
};

class TakenForDead : public AttackTest, public testing::WithParamInterface<Place> {
 protected:
  // Guardians that are stopped are believed to be dead after ten seconds, if at all.
  static constexpr std::chrono::seconds kLongSilence{12};

  /// Stops it, where it is to be, for as long as might be taken for death.
  static void silence(pid_t guardian) {
    if (GetParam().stops_guardian) {
      ::kill(guardian, SIGSTOP);
      std::this_thread::sleep_for(kLongSilence);
    }
  }
  static std::vector<std::string> there(const std::vector<std::string>& arguments) {
    return GetParam().enter(xdpcap_command(arguments));
  }
};

INSTANTIATE_TEST_SUITE_P(Places, TakenForDead, testing::ValuesIn(kPlaces),
                         [](const auto& place) { return std::string(place.param.name); });

TEST_P(TakenForDead, ALivingCaptureStays) {
  Watched capture(stage());
  const pid_t guardian = capture.guardian();
  silence(guardian);
  start_traffic();
  const std::string file = stage().file("some.pcapng");
  const Outcome other = run(GetParam().enter(some_packets()));
  // It captures, or says why it cannot.
  EXPECT_TRUE(other.end.exit_code == 0 || other.end.exit_code == 1) << other.errors;
  if (other.end.exit_code == 0) {
    EXPECT_EQ(packets_in(file).size(), 500U);
  } else {
    EXPECT_THAT(other.errors, HasSubstr("xdpcap: "));
  }

  EXPECT_THAT(other.errors, testing::Not(HasSubstr("removed from the hook")));
  traffic().await_more(1'000);
  ::kill(guardian, SIGCONT);
  const Tally tally = stop_traffic();
  capture.expect_saw(tally);
}

TEST_P(TakenForDead, StatusShowsIt) {
  Watched capture(stage());
  const pid_t guardian = capture.guardian();
  silence(guardian);
  start_traffic();
  const Outcome status = run(there({"-status", hook()}));
  if (status.end.exit_code == 0) {
    EXPECT_THAT(status.output,
                GetParam().shares ? HasSubstr("-count " + hook()) : HasSubstr("of a capture"));
    EXPECT_THAT(status.output, testing::Not(HasSubstr("killed")));
  } else {
    EXPECT_THAT(status.errors, HasSubstr("xdpcap: "));
  }
  ::kill(guardian, SIGCONT);
  capture.expect_saw(stop_traffic());
}

TEST_P(TakenForDead, DetachEndsItOrSaysThatItDidNot) {
  const std::string_view place = GetParam().name;
  if (kIsSanitized && (place == "NoProc" || place == "ProcIsEmpty")) {
    GTEST_SKIP() << "the sanitizer's runtime reads /proc, and its failure is the exit code";
  }
  Watched capture(stage());
  const pid_t guardian = capture.guardian();
  silence(guardian);
  start_traffic();
  traffic().await_more(1'000);
  const Outcome outcome = run(there({"-detach", hook()}));
  EXPECT_EQ(filled_slots(hook_fd()) == 0, outcome.end.exit_code == 0) << outcome.errors;
  EXPECT_THAT(outcome.errors, testing::Not(HasSubstr("no capture is running")));
  ::kill(guardian, SIGCONT);
  if (outcome.end.exit_code != 0) {
    EXPECT_THAT(outcome.errors, HasSubstr("xdpcap: "));
    capture.process().signal(SIGINT);
  }
  const Ended end = capture.process().wait(Millis(5'000));
  EXPECT_TRUE(end.is_over) << "the capture goes on";
  traffic().await_more(1'000);
  stop_traffic();
}

}  // namespace
}  // namespace xdpcap::test

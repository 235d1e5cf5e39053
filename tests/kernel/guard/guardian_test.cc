// SPDX-License-Identifier: BSD-3-Clause
//
// What a guardian does when its capture dies or leaves, and what it says meanwhile.

#include "guard/guardian.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>

#include "guard/slot_watch.h"
#include "guarded_rig.h"
#include "kernel/map.h"

namespace xdpcap {
namespace {

using std::chrono::milliseconds;
using test::becomes_true;
using test::GuardianProcess;
using test::kAllActions;
using test::kPlain;
using ::testing::HasSubstr;
using Rig = test::GuardedRig;

class GuardianTest : public test::GuardTest {};

TEST_F(GuardianTest, TakesTheCaptureOutWhenTheSocketCloses) {
  const Rig rig;
  const HookCapture capture = rig.capture();
  GuardianProcess guardian(rig, capture.place());
  EXPECT_EQ(rig.filled(), kAllActions);
  EXPECT_EQ(rig.sockets().size(), 1U);
  guardian.close();
  EXPECT_EQ(guardian.exit_code(), 0);
  EXPECT_TRUE(rig.filled().empty());
  EXPECT_TRUE(capture.place().chain().members().empty());
  EXPECT_TRUE(rig.sockets().empty());
}

TEST_F(GuardianTest, HasItsNameInPs) {
  const Rig rig;
  const HookCapture capture = rig.capture();
  const GuardianProcess guardian(rig, capture.place());
  std::string name;
  std::getline(std::ifstream(fmt::format("/proc/{}/comm", guardian.pid())), name);
  EXPECT_EQ(name, kGuardianName);
}

TEST_F(GuardianTest, SaysThatItHasTakenTheCaptureOut) {
  const Rig rig;
  const HookCapture capture = rig.capture();
  const HookCapture other = rig.capture({Action::Pass});
  GuardianProcess guardian(rig, capture.place());
  guardian.say(MessageKind::Leave);
  const std::optional<Message> left = guardian.hear(MessageKind::Left);
  ASSERT_TRUE(left);
  EXPECT_TRUE(left->fields.empty());
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Pass});
  rig.send(Action::Pass);
  EXPECT_EQ(other.counters().value()[2].received, 1U);
  EXPECT_EQ(capture.counters().value()[2].received, 0U);
  EXPECT_EQ(guardian.exit_code(), 0);
}

TEST_F(GuardianTest, SignalsDoNotEndIt) {
  const Rig rig;
  const HookCapture capture = rig.capture();
  GuardianProcess guardian(rig, capture.place());
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGTSTP}) {
    ::kill(guardian.pid(), signal);
  }
  guardian.say(MessageKind::Leave);
  EXPECT_TRUE(guardian.hear(MessageKind::Left));
}

TEST_F(GuardianTest, KeepsOnlyWhatItNeeds) {
  const Rig rig;
  const HookCapture capture = rig.capture();
  const GuardianProcess guardian(rig, capture.place());
  std::ifstream status(fmt::format("/proc/{}/status", guardian.pid()));
  std::string text(std::istreambuf_iterator<char>(status), {});
  // CAP_SYS_ADMIN is 21, CAP_BPF 39.
  for (const char* line :
       {"CapEff:\t0000008000200000", "CapPrm:\t0000008000200000", "CapInh:\t0000000000000000",
        "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_EQ(std::filesystem::read_symlink(fmt::format("/proc/{}/cwd", guardian.pid())), "/");
}

TEST_F(GuardianTest, AForeignProgramThatComesAndGoesIsTold) {
  const Rig rig;
  const HookCapture capture = rig.capture();
  GuardianProcess guardian(rig, capture.place());
  const UniqueFd foreign = test::load_returning(2, kPlain, "somebody");
  ASSERT_TRUE(put_program(rig.map.get(), 2, foreign.get()));
  EXPECT_EQ(
      guardian.hear_notice(),
      fmt::format(
          "hook {}: slot XDPPass was taken by program {} (somebody), which is now called after the "
          "captures; packets of up to half a second are missing",
          rig.hook.path(), program_id(foreign.get()).value()));
  rig.send(Action::Pass);
  EXPECT_EQ(capture.counters().value()[2].received, 1U);
  ASSERT_TRUE(remove_program(rig.map.get(), 2));
  EXPECT_EQ(
      guardian.hear_notice(),
      fmt::format(
          "hook {}: slot XDPPass was emptied by somebody else, and is ours again; packets of up to half "
          "a second are missing",
          rig.hook.path()));
  rig.send(Action::Pass);
  EXPECT_EQ(capture.counters().value()[2].received, 2U);
  EXPECT_TRUE(guardian.is_silent(milliseconds(600))) << "each is told once";
  guardian.close();
  EXPECT_EQ(guardian.exit_code(), 0);
  EXPECT_TRUE(rig.filled().empty());
}

TEST_F(GuardianTest, ASlotThatIsFoughtForIsLeftToOthers) {
  constexpr int kRepairs = 21;
  const Rig rig;
  HookCapture capture = rig.capture({Action::Pass});
  const HookLock lock;
  SlotWatch watch(capture.place().chain(), lock, capture.place().position());
  const UniqueFd foreign = test::load_returning(2, kPlain, "somebody");
  const std::uint32_t id = program_id(foreign.get()).value();
  for (int i = 1; i <= kRepairs; ++i) {
    ASSERT_TRUE(put_program(rig.map.get(), 2, foreign.get()));
    const std::vector<std::string> said = watch.look();
    ASSERT_EQ(said.size(), 1U) << i;
    EXPECT_THAT(said[0], i < kRepairs
                             ? HasSubstr("which is now called after the captures")
                             : HasSubstr("slot XDPPass is taken by others again and again; "
                                         "this capture leaves it to them for a minute"));
    EXPECT_NE(rig.hook.holder(Action::Pass).value(), id);
    EXPECT_TRUE(watch.look().empty());
  }
  ASSERT_TRUE(put_program(rig.map.get(), 2, foreign.get()));
  EXPECT_TRUE(watch.look().empty());
  EXPECT_EQ(rig.hook.holder(Action::Pass).value(), id);
  constexpr int kLooksAMinute = 240;
  for (int i = 0; i < kLooksAMinute && rig.hook.holder(Action::Pass).value() == id; ++i) {
    static_cast<void>(watch.look());
  }
  EXPECT_NE(rig.hook.holder(Action::Pass).value(), id) << "then it tries again";
  ASSERT_TRUE(put_program(rig.map.get(), 2, foreign.get()));
  EXPECT_TRUE(capture.detach());
  EXPECT_EQ(rig.hook.holder(Action::Pass).value(), id) << "it is theirs";
}

TEST_F(GuardianTest, SomebodyWhoWantsTheCaptureToEndIsNamed) {
  const struct {
    chain::Reason why;
    const char* said;
    const char* is_failure;
  } cases[] = {
      {chain::Reason::Detached, "this capture is ended, as -detach was asked for, by pid {}", "0"},
      {chain::Reason::Replaced,
       "this capture is replaced, as -on-busy replace was asked for, by pid {}", "1"},
  };
  for (const auto& one : cases) {
    const Rig rig;
    const HookCapture capture = rig.capture();
    const GuardianProcess guardian(rig, capture.place());
    capture.place().chain().tell_to_leave(capture.place().position(), one.why);
    const std::optional<Message> end = guardian.hear(MessageKind::End);
    ASSERT_TRUE(end && end->fields.size() == 2);
    EXPECT_EQ(end->fields[0], fmt::format("hook {}: {}", rig.hook.path(),
                                          fmt::format(fmt::runtime(one.said), ::getpid())));
    EXPECT_EQ(end->fields[1], one.is_failure);
    EXPECT_TRUE(guardian.is_silent(milliseconds(400))) << "once";
  }
}

TEST_F(GuardianTest, ACaptureThatWasTakenOutIsTold) {
  const Rig rig;
  HookCapture capture = rig.capture();
  const GuardianProcess guardian(rig, capture.place());
  {
    const HookLock lock = HookLock::open(rig.run.path("")).value();
    const HookLock::Turn turn = lock.take();
    Chain& chain = capture.place().chain();
    ASSERT_TRUE(chain.leave(capture.place().position(), capture.place().process()));
  }
  const std::optional<Message> end = guardian.hear(MessageKind::End);
  ASSERT_TRUE(end && end->fields.size() == 2);
  EXPECT_THAT(end->fields[0], HasSubstr("another process has taken this capture out of the hook"));
  EXPECT_EQ(end->fields[1], "1");
}

TEST_F(GuardianTest, TakesOutTheDeadOfOthers) {
  const Rig rig;
  const HookCapture capture = rig.capture();
  const pid_t child = ::fork();
  if (child == 0) {
    const HookCapture dying = rig.capture();
    ::_exit(0);  // with its programs in the slots
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(capture.place().chain().members().size(), 2U);
  const GuardianProcess guardian(rig, capture.place());
  EXPECT_TRUE(becomes_true([&] { return capture.place().chain().members().size() == 1; },
                           milliseconds(2'000)));
  rig.send(Action::Drop);
  EXPECT_EQ(capture.counters().value()[1].received, 1U);
}

TEST_F(GuardianTest, StartsWithNothingButAStart) {
  const Rig rig;
  const HookCapture capture = rig.capture({Action::Pass});
  const std::vector<int> parts = capture.place().chain().descriptors();
  std::vector<int> all = parts;
  all.push_back(rig.hook.fd());
  std::vector<int> two_hooks = {rig.hook.fd()};
  two_hooks.insert(two_hooks.end(), all.begin() + 1, all.end());
  const struct {
    const char* what;
    MessageKind kind;
    std::vector<std::string> fields;
    std::vector<int> descriptors;
  } cases[] = {
      {"another kind", MessageKind::Leave, {}, {}},
      {"no fields", MessageKind::Start, {}, all},
      {"no descriptors", MessageKind::Start, {"/h", "/r", "1", "2", "3", "4"}, {}},
      {"no numbers", MessageKind::Start, {"/h", "/r", "1", "x", "3", "4"}, all},
      {"too large a number", MessageKind::Start, {"/h", "/r", "1", "99999999999", "3", "4"}, all},
      {"no BPF", MessageKind::Start, {"/h", "/r", "1", "2", "3", "4"}, {2, 2, 2, 2, 2, 2, 2, 2}},
      {"a part is missing", MessageKind::Start, {"/h", "/r", "1", "2", "3", "4"}, parts},
      {"no state", MessageKind::Start, {"/h", "/r", "1", "2", "3", "4"}, two_hooks},
  };
  for (const auto& one : cases) {
    GuardianProcess guardian;
    guardian.say(one.kind, one.fields, one.descriptors);
    const std::optional<Message> end = guardian.hear(MessageKind::End);
    EXPECT_TRUE(end && end->fields.size() == 2) << one.what;
    EXPECT_EQ(guardian.exit_code(), 1) << one.what;
  }
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Pass});
  GuardianProcess early;
  early.close();
  EXPECT_EQ(early.exit_code(), 0);
}

TEST_F(GuardianTest, MessagesItDoesNotKnowAreNone) {
  const Rig rig;
  const HookCapture capture = rig.capture();
  GuardianProcess guardian(rig, capture.place());
  guardian.say(static_cast<MessageKind>(99), {"what?"});
  guardian.say(MessageKind::Start, {"again"});
  guardian.say(MessageKind::Explain);  // without programs
  guardian.say(MessageKind::Programs, {"1", "2"}, {capture.counters_fd()});
  guardian.say(MessageKind::Programs, {});
  guardian.say(MessageKind::Programs, {"77"}, {capture.counters_fd(), capture.counters_fd()});
  guardian.say(MessageKind::Notice);
  EXPECT_TRUE(guardian.is_silent(milliseconds(300)));
  EXPECT_EQ(rig.filled(), kAllActions);
  guardian.say(MessageKind::Leave);
  EXPECT_TRUE(guardian.hear(MessageKind::Left));
}

}  // namespace
}  // namespace xdpcap

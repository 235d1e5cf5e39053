// SPDX-License-Identifier: BSD-3-Clause
//
// What a guardian does when its capture enters, leaves or dies, and what it says meanwhile.

#include "xdpcap/sharing/guardian.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <array>
#include <fstream>
#include <iterator>

#include "xdpcap/tests/kernel/sharing/guarded_rig.h"

namespace xdpcap {
namespace {

using std::chrono::milliseconds;
using test::becomes_true;
using test::ForeignProgram;
using test::Guarded;
using test::kAllActions;
using test::kPassSlot;
using test::kPatience;
using test::received;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Rig = test::ChainRig;

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A process that nobody has waited for counts as ended.
bool has_ended(pid_t pid) {
  const std::string status = contents(fmt::format("/proc/{}/status", pid));
  return status.empty() || status.find("State:\tZ") != std::string::npos;
}

int exit_code(pid_t pid) {
  int status = -1;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Memory in which filters are handed over.
struct FilterMemory {
  void put(const std::string& bytes) const {
    ASSERT_EQ(::ftruncate(fd.get(), 0), 0);
    ASSERT_EQ(::pwrite(fd.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }
  void put(const cbpfc::Filter& filter) const {
    const std::vector<cbpfc::RawInsn> raw = filter.encode();
    put(std::string(reinterpret_cast<const char*>(raw.data()),
                    raw.size() * sizeof(cbpfc::RawInsn)));
  }
  UniqueFd fd{::memfd_create("test", MFD_CLOEXEC)};
};

class GuardianTest : public test::GuardTest {};

// --- From the start to the end.

TEST_F(GuardianTest, TakesAPlaceThenTheSlotsAndLeavesThem) {
  const Rig rig;
  Guarded capture(rig);
  const Result<std::string> placed = capture.guardian.ask(std::nullopt);
  ASSERT_TRUE(placed) << placed.error().message;
  EXPECT_EQ(*placed, "");
  EXPECT_THAT(rig.filled(), IsEmpty());
  EXPECT_EQ(rig.chain().members().size(), 1U);
  ASSERT_TRUE(capture.guardian.ask(MessageKind::Enter));
  EXPECT_EQ(rig.filled(), kAllActions);
  rig.send();
  EXPECT_EQ(capture.received(), 1U);
  const Result<std::string> again = capture.guardian.ask(MessageKind::Enter);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::InvalidArgument);
  const ChainMember member = rig.chain().members().at(0);
  EXPECT_TRUE(member.is_alive);
  EXPECT_EQ(member.pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(member.command_line, "guarded");
  EXPECT_EQ(member.filter, "the filter");
  ASSERT_TRUE(capture.guardian.ask(MessageKind::Leave));
  EXPECT_THAT(rig.filled(), IsEmpty()) << "before it answers";
  EXPECT_EQ(exit_code(capture.guardian.pid()), 0);
  rig.send();
  EXPECT_EQ(capture.received(), 1U) << "its numbers are final";
  rig.expect_untouched();
}

TEST_F(GuardianTest, WhyThereIsNoPlaceIsTold) {
  const Rig rig;
  const HookCapture other = rig.capture({Action::Pass}).value();
  Guarded capture(rig, {.on_busy = OnBusy::Fail});
  const Result<std::string> placed = capture.guardian.ask(std::nullopt);
  ASSERT_FALSE(placed);
  EXPECT_EQ(placed.error().code, Errc::Busy);
  EXPECT_THAT(placed.error().message, HasSubstr("another capture is running"));
  EXPECT_EQ(exit_code(capture.guardian.pid()), 1);
  EXPECT_EQ(rig.chain().members().size(), 1U);
}

TEST_F(GuardianTest, WhyTheSlotsCannotBeFilledIsToldAndNothingIsLeft) {
  const Rig rig;
  const ForeignProgram unknown(rig, "xdpcap_pass");
  {
    Guarded capture(rig);
    ASSERT_TRUE(capture.guardian.ask(std::nullopt));
    unknown.put();
    const Result<std::string> entered = capture.guardian.ask(MessageKind::Enter);
    ASSERT_FALSE(entered);
    EXPECT_EQ(entered.error().code, Errc::Busy);
    EXPECT_THAT(entered.error().message, HasSubstr("a capture of user 0"));
  }
  EXPECT_EQ(rig.hook.holder(Action::Pass).value(), unknown.id);
  unknown.remove();
  rig.expect_untouched();
}

TEST_F(GuardianTest, WhatWasCleanedUpIsTold) {
  const Rig rig;
  rig.die_capturing();
  Guarded capture(rig);
  EXPECT_THAT(capture.guardian.ask(std::nullopt).value(),
              HasSubstr("removed from the hook what a capture that was killed had left there"));
}

// --- Deaths.

TEST_F(GuardianTest, TakesTheCaptureOutWhenItsSocketCloses) {
  const Rig rig;
  for (const bool has_entered : {true, false}) {
    std::optional<Guarded> capture(std::in_place, rig);
    ASSERT_TRUE(capture->guardian.ask(std::nullopt));
    if (has_entered) {
      ASSERT_TRUE(capture->guardian.ask(MessageKind::Enter));
    }
    const pid_t pid = capture->guardian.pid();
    capture.reset();
    EXPECT_TRUE(has_ended(pid)) << "which is waited for";
    rig.expect_untouched();
  }
}

/// The process of a capture, whose guardian is nobody's child when it is killed.
struct CaptureProcess {
  explicit CaptureProcess(const Rig& rig, bool keeps_socket_open = false) {
    std::array<int, 2> ends{-1, -1};
    EXPECT_EQ(::pipe(ends.data()), 0);
    pid = ::fork();
    if (pid == 0) {
      Guarded capture(rig);
      capture.enter();
      if (keeps_socket_open && ::fork() == 0) {  // as of a program that it has started
        ::sleep(3);
        ::_exit(0);
      }
      const pid_t of_guardian = ::testing::Test::HasFailure() ? -1 : capture.guardian.pid();
      static_cast<void>(::write(ends[1], &of_guardian, sizeof(of_guardian)));
      while (true) {
        ::pause();
      }
    }
    ::close(ends[1]);
    EXPECT_EQ(::read(ends[0], &guardian, sizeof(guardian)), static_cast<ssize_t>(sizeof(guardian)));
    ::close(ends[0]);
  }
  CaptureProcess(const CaptureProcess&) = delete;
  CaptureProcess& operator=(const CaptureProcess&) = delete;
  ~CaptureProcess() { kill(); }
  void kill() {
    if (pid > 0) {
      ::kill(pid, SIGKILL);
      ::waitpid(std::exchange(pid, -1), nullptr, 0);
    }
  }
  pid_t pid = -1;
  pid_t guardian = -1;
};

TEST_F(GuardianTest, TakesTheCaptureOutWhenItIsKilled) {
  for (const bool keeps_socket_open : {false, true}) {
    SCOPED_TRACE(keeps_socket_open);
    const Rig rig;
    const HookCapture other = rig.capture({Action::Pass}).value();
    CaptureProcess process(rig, keeps_socket_open);
    rig.send();
    EXPECT_EQ(rig.filled(), kAllActions);
    process.kill();
    EXPECT_TRUE(becomes_true([&] { return rig.filled() == std::vector{Action::Pass}; },
                             milliseconds(1'000)));
    EXPECT_TRUE(becomes_true([&] { return has_ended(process.guardian); }));
    rig.send();
    EXPECT_EQ(received(other), 2U);
    EXPECT_EQ(rig.chain().members().size(), 1U);
  }
}

TEST_F(GuardianTest, WhenBothAreKilledANeighbourTakesThemOut) {
  const Rig rig;
  Guarded neighbour(rig, {.actions = {Action::Pass}});
  neighbour.enter();
  CaptureProcess process(rig);
  ::kill(process.guardian, SIGKILL);
  const std::string of_process = fmt::format("pid {} (", process.pid);
  process.kill();
  EXPECT_EQ(rig.filled(), kAllActions);
  rig.send();
  EXPECT_EQ(neighbour.received(), 1U);
  EXPECT_THAT(
      neighbour.hear(MessageKind::Notice),
      AllOf(HasSubstr("removed from the hook what a capture that was killed had left there"),
            HasSubstr(of_process)));
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Pass});
  rig.send();
  EXPECT_EQ(neighbour.received(), 2U);
  ASSERT_TRUE(neighbour.leave());
  rig.expect_untouched();
}

TEST_F(GuardianTest, ItsOwnDeathIsNoticed) {
  const Rig rig;
  Guarded capture(rig);
  capture.enter();
  ::kill(capture.guardian.pid(), SIGKILL);
  EXPECT_THAT(capture.hear_error(MessageKind::End).message,
              HasSubstr("the guardian process has been killed"));
  EXPECT_EQ(capture.guardian.fd(), -1);
  EXPECT_FALSE(capture.guardian.hear()) << "once";
  EXPECT_FALSE(capture.guardian.ask(MessageKind::Leave));
  rig.send();
  EXPECT_EQ(rig.filled(), kAllActions);
  {
    const HookCapture next = rig.capture({Action::Tx}).value();
  }
  rig.expect_untouched();
}

TEST_F(GuardianTest, AStoppedOneIsNotWaitedForLong) {
  const Rig rig;
  Guarded capture(rig);
  capture.enter();
  ::kill(capture.guardian.pid(), SIGSTOP);
  const Result<std::string> left = capture.guardian.ask(MessageKind::Leave);
  ASSERT_FALSE(left);
  EXPECT_EQ(left.error().code, Errc::Busy);
  EXPECT_THAT(left.error().message, HasSubstr("does not answer"));
  ::kill(capture.guardian.pid(), SIGCONT);
  EXPECT_EQ(exit_code(capture.guardian.pid()), 0);
  rig.expect_untouched();
}

// As of a filter that takes the compiler minutes; here, a process that holds the lock is waited for twice.
TEST_F(GuardianTest, AStartThatTakesLongIsWaitedForUntilASignalComes) {
  const Rig rig;
  HookCapture other = rig.capture({Action::Drop}).value();
  const ChainDirectory::Lock locked = other.chain()->directory().lock();
  sigset_t interrupt;
  ::sigemptyset(&interrupt);
  ::sigaddset(&interrupt, SIGINT);
  ::sigprocmask(SIG_BLOCK, &interrupt, nullptr);
  for (const bool is_interrupted : {false, true}) {
    Guarded capture(rig, {.actions = {Action::Pass}});
    if (is_interrupted) {
      ::raise(SIGINT);
    }
    const Result<std::string> placed = capture.guardian.ask(std::nullopt);
    EXPECT_EQ(placed.has_value(), !is_interrupted);
    if (!placed) {
      EXPECT_THAT(placed.error().message, HasSubstr("stopped while"));
    }
  }
  const timespec at_once{};
  ::sigtimedwait(&interrupt, nullptr, &at_once);
  ::sigprocmask(SIG_UNBLOCK, &interrupt, nullptr);
}

// --- What it is.

TEST_F(GuardianTest, HasItsNameInPs) {
  const Rig rig;
  Guarded capture(rig);
  capture.enter();
  const std::string directory = fmt::format("/proc/{}/", capture.guardian.pid());
  EXPECT_EQ(contents(directory + "comm"), std::string(kGuardianName) + "\n");
  EXPECT_THAT(contents(directory + "cmdline"), testing::StartsWith(kGuardianName));
}

TEST_F(GuardianTest, SignalsDoNotEndIt) {
  const Rig rig;
  Guarded capture(rig);
  capture.enter();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGTSTP}) {
    ::kill(capture.guardian.pid(), signal);
  }
  EXPECT_TRUE(capture.is_silent(milliseconds(300)));
  EXPECT_TRUE(capture.leave());
  rig.expect_untouched();
}

TEST_F(GuardianTest, KeepsOnlyWhatItNeeds) {
  for (const bool reloads : {false, true}) {
    const Rig rig;
    const FilterMemory memory;
    Guarded capture(rig, {.filter_fd = reloads ? memory.fd.get() : -1});
    capture.enter();
    // It answers first, and restricts itself before it listens again.
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    std::string status;
    do {
      status = contents(fmt::format("/proc/{}/status", capture.guardian.pid()));
    } while (!status.contains("Seccomp:\t2") && std::chrono::steady_clock::now() < deadline);
    // CAP_SYS_ADMIN is 21, CAP_BPF 39; for other programs CAP_NET_ADMIN, 12, and CAP_PERFMON, 38.
    const char* const kept = reloads ? "000000c000201000" : "0000008000200000";
    for (const std::string& line :
         {fmt::format("CapEff:\t{}", kept), fmt::format("CapPrm:\t{}", kept),
          std::string("CapInh:\t0000000000000000"), std::string("CapAmb:\t0000000000000000"),
          std::string("NoNewPrivs:\t1"), std::string("Seccomp:\t2")}) {
      EXPECT_THAT(status, HasSubstr(line));
    }
  }
}

TEST_F(GuardianTest, DoesNotHoldTheOutputOpen) {
  const Rig rig;
  std::array<int, 2> ends{-1, -1};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  Guarded capture(rig, {.output_fd = ends[1]});
  capture.enter();
  ::close(ends[1]);
  pollfd wait{.fd = ends[0], .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&wait, 1, 1'000 * test::patience()), 1);
  EXPECT_EQ(wait.revents, POLLHUP);
  ::close(ends[0]);
  for (const char* stream : {"0", "1", "2"}) {
    EXPECT_EQ(std::filesystem::read_symlink(
                  fmt::format("/proc/{}/fd/{}", capture.guardian.pid(), stream)),
              "/dev/null");
  }
}

// --- What it says.

TEST_F(GuardianTest, ASlotThatIsLostIsTold) {
  const Rig rig;
  const ForeignProgram foreign(rig);
  Guarded capture(rig);
  capture.enter();
  foreign.put();
  EXPECT_EQ(
      capture.hear(MessageKind::Missed),
      fmt::format(
          "hook {}: slot XDPPass was taken by program {} (other_tool); packets with this action are not "
          "seen from here on",
          rig.hook.path(), foreign.id));
  foreign.remove();
  EXPECT_TRUE(capture.is_silent(milliseconds(600))) << "each is told once";
  ASSERT_TRUE(remove_program(rig.map.get(), 1));
  EXPECT_THAT(capture.hear(MessageKind::Missed),
              HasSubstr("slot XDPDrop was emptied by another program"));
  foreign.put();
  ASSERT_TRUE(capture.leave());
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Pass}) << "it is not ours";
}

TEST_F(GuardianTest, ACaptureThatIsNotCalledAnyMoreEnds) {
  const Rig rig;
  const ForeignProgram foreign(rig);
  Guarded capture(rig, {.actions = {Action::Pass, Action::Drop}});
  capture.enter();
  foreign.put();
  ASSERT_TRUE(remove_program(rig.map.get(), 1));
  Error said;
  ASSERT_TRUE(becomes_true([&] {
    const std::optional<Message> message = capture.guardian.hear();
    said = message && !message->text ? message->text.error() : Error{};
    return !said.message.empty();
  }));
  EXPECT_EQ(said.code, Errc::Busy);
  EXPECT_THAT(
      said.message,
      HasSubstr("no slot leads to this capture any more: slot XDPPass was taken by program"));
  EXPECT_TRUE(capture.is_silent(milliseconds(400))) << "once";
  ASSERT_TRUE(capture.leave());
  EXPECT_EQ(rig.hook.holder(Action::Pass).value(), foreign.id);
}

TEST_F(GuardianTest, WhoWantsTheCaptureToEndIsNamed) {
  const struct {
    chain::Reason why;
    bool is_error;
    const char* said;
  } cases[] = {
      {chain::Reason::Detached, false,
       "this capture is ended, as -detach was asked for, by pid 4321"},
      {chain::Reason::Replaced, true,
       "this capture is replaced, as -on-busy replace was asked for, by pid 4321"},
  };
  for (const auto& one : cases) {
    const Rig rig;
    Guarded capture(rig);
    capture.enter();
    const pid_t child = ::fork();
    if (child == 0) {
      const Result<std::size_t> ended =
          rig.chain().end_captures(one.why, 4321, [](const ChainMember&) { return true; });
      ::_exit(ended && *ended == 1 ? 0 : 1);
    }
    const std::string said = one.is_error ? capture.hear_error(MessageKind::End).message
                                          : capture.hear(MessageKind::End);
    EXPECT_THAT(said, HasSubstr(fmt::format("hook {}: {}", rig.hook.path(), one.said)));
    EXPECT_TRUE(capture.is_silent(milliseconds(400))) << "once";
    ASSERT_TRUE(capture.leave());
    EXPECT_EQ(exit_code(child), 0);
    rig.expect_untouched();
  }
}

TEST_F(GuardianTest, ACaptureThatWasTakenOutIsTold) {
  const Rig rig;
  Guarded capture(rig);
  capture.enter();
  ::kill(capture.guardian.pid(), SIGSTOP);  // it hears of nothing
  EXPECT_EQ(rig.chain()
                .end_captures(chain::Reason::Detached, 1, [](const ChainMember&) { return true; })
                .value(),
            1U);
  rig.expect_untouched();
  ::kill(capture.guardian.pid(), SIGCONT);
  EXPECT_THAT(capture.hear_error(MessageKind::End).message,
              HasSubstr("another process has taken this capture out of the hook"));
  EXPECT_TRUE(capture.leave());
}

// --- Filters.

TEST_F(GuardianTest, LoadsOtherFilters) {
  const Rig rig;
  const FilterMemory memory;
  Guarded capture(rig, {.filter_fd = memory.fd.get()});
  capture.enter();
  rig.send();
  std::uint64_t matched = 1;
  for (const bool matches : {false, true, false}) {
    memory.put(test::constant_filter(matches ? 1 : 0));
    ASSERT_TRUE(capture.guardian.tell(MessageKind::Filter, "the text"));
    EXPECT_EQ(capture.hear(MessageKind::Notice), "the text");
    rig.send();
    matched += matches ? 1 : 0;
    EXPECT_EQ(capture.maps.counters().value()[kPassSlot].matched, matched);
  }
  EXPECT_EQ(capture.received(), 4U);
  ASSERT_TRUE(capture.leave());
  rig.expect_untouched();
}

TEST_F(GuardianTest, RefusesWhatIsNotAFilter) {
  const Rig rig;
  const FilterMemory memory;
  Guarded capture(rig, {.filter_fd = memory.fd.get()});
  capture.enter();
  for (const off_t bytes : {off_t{0}, off_t{80}, off_t{1} << 40}) {
    memory.put(std::string(80, '\xff'));
    ASSERT_EQ(::ftruncate(memory.fd.get(), bytes), 0);
    ASSERT_TRUE(capture.guardian.tell(MessageKind::Filter, "bad"));
    EXPECT_THAT(capture.hear_error(MessageKind::Notice).message, testing::Not(IsEmpty()));
  }
  rig.send();
  EXPECT_EQ(capture.maps.counters().value()[kPassSlot].matched, 1U) << "the filter stays as it was";
  EXPECT_TRUE(capture.leave());
}

TEST_F(GuardianTest, OfACaptureThatReadsNoFilterAgainTakesNone) {
  const Rig rig;
  Guarded capture(rig);
  capture.enter();
  ASSERT_TRUE(capture.guardian.tell(MessageKind::Filter, "none"));
  EXPECT_THAT(capture.hear_error(MessageKind::Notice).message, HasSubstr("takes no other filter"));
}

TEST_F(GuardianTest, MessagesItDoesNotKnowAreNone) {
  const Rig rig;
  Guarded capture(rig);
  ASSERT_TRUE(capture.guardian.ask(std::nullopt));
  for (const char kind : {'\0', '\5', '\x63', '\x7f'}) {
    ASSERT_TRUE(capture.guardian.tell(static_cast<MessageKind>(kind), "what?"));
  }
  ASSERT_TRUE(capture.guardian.tell(MessageKind::Explain)) << "it has not entered";
  ASSERT_TRUE(capture.guardian.ask(MessageKind::Enter));
  EXPECT_TRUE(capture.is_silent(milliseconds(300)));
  EXPECT_EQ(rig.filled(), kAllActions);
  EXPECT_TRUE(capture.leave());
}

}  // namespace
}  // namespace xdpcap

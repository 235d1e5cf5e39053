// SPDX-License-Identifier: BSD-3-Clause
//
// A guardian, in a process of its own, guards a capture of this process: what it does when the capture dies, what it says, and
// what it hands out.

#include "guard/guardian.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "attach/hook_capture.h"
#include "guard/chain_service.h"
#include "guard/message.h"
#include "guard/slot_watch.h"
#include "kernel/map.h"
#include "kernel/program.h"
#include "support/bpf_fixture.h"
#include "support/temporary_directory.h"

namespace xdpcap {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::make_packet;
using ::testing::HasSubstr;

constexpr Variant kPlain{.expected_attach_type = kAttachTypeXdp, .multi_buffer = false};
constexpr std::uint64_t kWithoutAdmin =
    std::uint64_t{1} << 38 | std::uint64_t{1} << 39 | std::uint64_t{1} << 12;
constexpr milliseconds kPatience(5'000);
const std::vector<Action> kAllActions(kActions.begin(), kActions.end());

template <typename Condition>
bool becomes_true(Condition is_true, milliseconds most = kPatience) {
  const auto deadline = steady_clock::now() + most;
  while (!is_true()) {
    if (steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

/// A hook whose owner returns the packet's byte 20, and a directory for sockets.
struct Rig {
  static constexpr std::uint32_t kVerdictOffset = 20;

  void send(Action action) const {
    std::vector<std::uint8_t> packet = make_packet(60);
    packet[kVerdictOffset] = static_cast<std::uint8_t>(action);
    EXPECT_EQ(test::test_run(target.get(), packet).action, static_cast<std::uint32_t>(action));
  }
  HookCapture capture(std::vector<Action> actions = kAllActions, std::uint32_t filter = 1) const {
    return HookCapture::attach(hook, test::constant_filter(filter),
                               {.actions = std::move(actions), .counts_only = true})
        .value();
  }
  std::vector<Action> filled() const {
    std::vector<Action> filled;
    std::ranges::copy_if(kActions, std::back_inserter(filled),
                         [this](Action action) { return hook.holder(action)->has_value(); });
    return filled;
  }
  std::uint32_t map_id() const { return map_info(map.get())->id; }
  std::string socket(pid_t pid) const { return run.path(fmt::format("{}.{}.sock", map_id(), pid)); }

  test::BpfDirectory directory;
  xdpcap::testing::TemporaryDirectory run;
  UniqueFd map = test::make_hook();
  UniqueFd target = test::load_target(map.get(), {.from_offset = kVerdictOffset}, kPlain);
  Hook hook = Hook::open(directory.pin(map.get(), "hook")).value();
};

/// A child process that runs run_guardian(), with nothing of this one but the socket.
class GuardianProcess {
 public:
  GuardianProcess() {
    auto [ours, theirs] = make_message_sockets().value();
    pid_ = ::fork();
    if (pid_ == 0) {
      if (theirs.get() != kGuardianSocket) {
        ::dup2(theirs.get(), kGuardianSocket);
      }
      ::close_range(kGuardianSocket + 1, ~0U, 0);
      ::_exit(run_guardian(kGuardianSocket));
    }
    socket_ = std::move(ours);
  }
  /// At its post.
  GuardianProcess(const Rig& rig, const ChainPlace& place) : GuardianProcess() {
    std::vector<int> descriptors = place.chain().descriptors();
    descriptors.push_back(rig.hook.fd());
    EXPECT_TRUE(
        send_message(socket_.get(), MessageKind::Start,
                     {rig.hook.path(), rig.run.path(""), fmt::format("{}", place.position()),
                      fmt::format("{}", place.process().pid),
                      fmt::format("{}", place.process().start_time_ticks),
                      fmt::format("{}", place.process().pid_namespace)},
                     descriptors));
    EXPECT_TRUE(hear(MessageKind::Ready));
  }
  GuardianProcess(const GuardianProcess&) = delete;
  GuardianProcess& operator=(const GuardianProcess&) = delete;
  ~GuardianProcess() {
    close();
    exit_code();
  }

  pid_t pid() const { return pid_; }
  void say(MessageKind kind, const std::vector<std::string>& fields = {},
           const std::vector<int>& descriptors = {}) const {
    EXPECT_TRUE(send_message(socket_.get(), kind, fields, descriptors));
  }
  /// The next message, which must be of this kind.
  std::optional<Message> hear(MessageKind kind, milliseconds most = kPatience) const {
    Result<std::optional<Message>> message = receive_message(socket_.get(), most);
    if (!message || !*message) {
      ADD_FAILURE() << (message ? "it has closed the socket" : message.error().message);
      return std::nullopt;
    }
    EXPECT_EQ((*message)->kind, kind) << ((*message)->fields.empty() ? "" : (*message)->fields[0]);
    return std::move(*message);
  }
  std::string hear_notice() const {
    const std::optional<Message> message = hear(MessageKind::Notice);
    return message && !message->fields.empty() ? message->fields[0] : "";
  }
  bool is_silent(milliseconds time) const {
    return !receive_message(socket_.get(), time) /* none came */;
  }
  void close() { socket_.reset(); }
  int exit_code() {
    int status = -1;
    if (pid_ > 0) {
      ::waitpid(std::exchange(pid_, -1), &status, 0);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  UniqueFd socket_;
};

void give_probes(const GuardianProcess& guardian, const HookCapture& capture) {
  const std::map<Action, UniqueFd> probes = capture.load_probes().value();
  std::vector<std::string> actions;
  std::vector<int> descriptors = {capture.counters_fd()};
  for (const auto& [action, program] : probes) {
    actions.push_back(fmt::format("{}", index(action)));
    descriptors.push_back(program.get());
  }
  guardian.say(MessageKind::Programs, actions, descriptors);
}

class GuardianTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

TEST_F(GuardianTest, TakesTheCaptureOutWhenTheSocketCloses) {
  const Rig rig;
  const HookCapture capture = rig.capture();
  GuardianProcess guardian(rig, capture.place());
  EXPECT_EQ(rig.filled(), kAllActions);
  EXPECT_TRUE(std::filesystem::exists(rig.socket(guardian.pid())));
  const std::string socket = rig.socket(guardian.pid());
  guardian.close();
  EXPECT_EQ(guardian.exit_code(), 0);
  EXPECT_TRUE(rig.filled().empty());
  EXPECT_TRUE(capture.place().chain().members().empty());
  EXPECT_FALSE(std::filesystem::exists(socket));
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
  SlotWatch watch(rig.hook, capture.place().chain(), lock, capture.place().position());
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
  const HookCapture capture = rig.capture();
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

// --- Why nothing was captured.

TEST_F(GuardianTest, CountsOtherActionsForASecond) {
  const Rig rig;
  const HookCapture capture = rig.capture({Action::Drop});
  const GuardianProcess guardian(rig, capture.place());
  give_probes(guardian, capture);
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Drop});
  guardian.say(MessageKind::Explain);
  guardian.say(MessageKind::Explain);  // once is enough
  ASSERT_TRUE(becomes_true([&] { return rig.filled() == kAllActions; }));
  for (const Action action : {Action::Pass, Action::Pass, Action::Tx}) {
    rig.send(action);
  }
  EXPECT_EQ(
      guardian.hear_notice(),
      fmt::format(
          "hook {}: nothing captured yet: packets reached the hook, but only with other actions than "
          "XDPDrop: XDPPass (2 packets) and XDPTx (1 packet)",
          rig.hook.path()));
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Drop});
  rig.send(Action::Pass);
  EXPECT_EQ(capture.counters().value()[2].received, 2U) << "they are out";
}

TEST_F(GuardianTest, SaysNothingWhenPacketsCameMeanwhile) {
  const Rig rig;
  const HookCapture capture = rig.capture({Action::Drop});
  const GuardianProcess guardian(rig, capture.place());
  give_probes(guardian, capture);
  guardian.say(MessageKind::Explain);
  ASSERT_TRUE(becomes_true([&] { return rig.filled() == kAllActions; }));
  rig.send(Action::Drop);
  EXPECT_TRUE(guardian.is_silent(milliseconds(1'500)));
  EXPECT_EQ(rig.filled(), std::vector<Action>{Action::Drop});
}

TEST_F(GuardianTest, NamesAFilterThatMatchesNothing) {
  const Rig rig;
  const HookCapture capture = rig.capture(kAllActions, 0);
  const GuardianProcess guardian(rig, capture.place());
  give_probes(guardian, capture);
  rig.send(Action::Drop);
  guardian.say(MessageKind::Explain);
  EXPECT_THAT(guardian.hear_notice(), HasSubstr("and the filter matched none of them"));
  EXPECT_EQ(rig.filled(), kAllActions);
}

TEST_F(GuardianTest, TheCountingProgramsGoWhenTheCaptureDiesMeanwhile) {
  const Rig rig;
  const HookCapture capture = rig.capture({Action::Drop});
  GuardianProcess guardian(rig, capture.place());
  give_probes(guardian, capture);
  guardian.say(MessageKind::Explain);
  ASSERT_TRUE(becomes_true([&] { return rig.filled() == kAllActions; }));
  guardian.close();
  EXPECT_EQ(guardian.exit_code(), 0);
  EXPECT_TRUE(rig.filled().empty());
}

TEST_F(GuardianTest, TheyGoWithTheCaptureWhenTheGuardianDiesMeanwhile) {
  const Rig rig;
  HookCapture capture = rig.capture({Action::Drop});
  GuardianProcess guardian(rig, capture.place());
  give_probes(guardian, capture);
  guardian.say(MessageKind::Explain);
  ASSERT_TRUE(becomes_true([&] { return rig.filled() == kAllActions; }));
  ::kill(guardian.pid(), SIGKILL);
  guardian.exit_code();
  EXPECT_TRUE(capture.detach());
  EXPECT_TRUE(rig.filled().empty());
}

TEST_F(GuardianTest, AForeignProgramIsBackAfterTheCounting) {
  const Rig rig;
  const UniqueFd foreign = test::load_returning(2, kPlain, "somebody");
  const std::uint32_t id = program_id(foreign.get()).value();
  ASSERT_TRUE(put_program(rig.map.get(), 2, foreign.get()));
  const HookCapture capture = rig.capture({Action::Drop});
  GuardianProcess guardian(rig, capture.place());
  give_probes(guardian, capture);
  for (const bool dies : {false, true}) {
    guardian.say(MessageKind::Explain);
    ASSERT_TRUE(becomes_true([&] { return rig.hook.holder(Action::Pass).value() != id; }));
    rig.send(Action::Pass);
    if (dies) {
      guardian.close();
      guardian.exit_code();
    } else {
      EXPECT_THAT(guardian.hear_notice(), HasSubstr("XDPPass (1 packet)"));
    }
    EXPECT_EQ(rig.hook.holder(Action::Pass).value(), id);
  }
}

// --- The parts of the chain.

ChainPlace join(const Rig& rig, const HookLock& lock, std::vector<Action> actions) {
  return join_chain(rig.hook, kPlain, lock,
                    {.actions = std::move(actions),
                     .command_line = "asks",
                     .filter = {},
                     .on_busy = OnBusy::Chain,
                     .ask_others = [&] { return ask_for_chain(rig.run.path(""), rig.hook); }})
      .value();
}

TEST_F(GuardianTest, HandsTheChainToWhoMayNotLookItUp) {
  const Rig rig;
  const HookCapture first = rig.capture();
  const GuardianProcess guardian(rig, first.place());
  const HookLock lock;
  {
    const test::ReducedCapabilities few(kWithoutAdmin);
    HookCapture second = HookCapture::prepare(rig.hook, kPlain, join(rig, lock, kAllActions), lock,
                                              test::constant_filter(1),
                                              {.actions = kAllActions, .counts_only = true})
                             .value();
    ASSERT_TRUE(second.enter());
    EXPECT_EQ(first.place().chain().members().size(), 2U);
    for (const Action action : kActions) {
      rig.send(action);
      EXPECT_EQ(first.counters().value()[index(action)].received, 1U);
      EXPECT_EQ(second.counters().value()[index(action)].received, 1U);
    }
    ASSERT_TRUE(second.detach());
  }
  rig.send(Action::Pass);
  EXPECT_EQ(first.counters().value()[2].received, 2U);
  EXPECT_EQ(rig.filled(), kAllActions);
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

/// A socket at `path`, which goes on being there when it is closed.
UniqueFd bind_at(const std::string& path, bool listens) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_TRUE(!listens || ::listen(fd.get(), 4) == 0);
  return fd;
}

TEST_F(GuardianTest, SocketsOfTheDeadAreRemovedAndOthersLeftAlone) {
  const Rig rig;
  constexpr pid_t kNobody = 4'194'303;  // the last there could be
  const std::string dead = rig.socket(kNobody);
  const std::string of_another_hook = rig.run.path(fmt::format("{}1.1.sock", rig.map_id()));
  const std::string other_file = rig.run.path(fmt::format("{}.text", rig.map_id()));
  bind_at(dead, true);
  bind_at(of_another_hook, true);
  std::ofstream(other_file) << "x";
  EXPECT_FALSE(ask_for_chain(rig.run.path(""), rig.hook));
  EXPECT_FALSE(std::filesystem::exists(dead));
  EXPECT_TRUE(std::filesystem::exists(of_another_hook));
  EXPECT_TRUE(std::filesystem::exists(other_file));
  EXPECT_FALSE(ask_for_chain(rig.run.path("none"), rig.hook));
}

TEST_F(GuardianTest, WhoDoesNotAnswerIsPassedOver) {
  const Rig rig;
  const UniqueFd silent = bind_at(rig.socket(1), true);
  const auto before = steady_clock::now();
  EXPECT_FALSE(ask_for_chain(rig.run.path(""), rig.hook));
  EXPECT_LT(steady_clock::now() - before, milliseconds(1'000));
  EXPECT_TRUE(std::filesystem::exists(rig.socket(1))) << "it lives";
  const HookCapture capture = rig.capture();
  const GuardianProcess guardian(rig, capture.place());
  const std::optional<ChainParts> parts = ask_for_chain(rig.run.path(""), rig.hook);
  ASSERT_TRUE(parts);
  EXPECT_EQ(map_info(parts->state.get())->id, map_info(capture.place().chain().state_fd())->id);
}

TEST_F(GuardianTest, TheSocketIsItsUsersOnly) {
  const Rig rig;
  const HookCapture capture = rig.capture();
  const GuardianProcess guardian(rig, capture.place());
  struct stat status{};
  ASSERT_EQ(::stat(rig.socket(guardian.pid()).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(GuardianTest, GuardsWithoutADirectoryForSockets) {
  const Rig rig;
  std::filesystem::remove_all(rig.run.path(""));
  std::ofstream(rig.run.path("").substr(0, rig.run.path("").size() - 1)) << "a file";
  const HookCapture capture = rig.capture();
  GuardianProcess guardian(rig, capture.place());
  guardian.close();
  EXPECT_EQ(guardian.exit_code(), 0);
  EXPECT_TRUE(rig.filled().empty());
}

}  // namespace
}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause

#include "guard/guardian.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <optional>

#include "attach/chain.h"
#include "attach/hook_lock.h"
#include "attach/join_chain.h"
#include "guard/chain_service.h"
#include "guard/explanation.h"
#include "guard/message.h"
#include "guard/slot_watch.h"
#include "guard/target_watch.h"
#include "privilege/reduce.h"
#include "privilege/system_calls.h"

namespace xdpcap {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kInterval(250);
constexpr int kIntervalsASecond = 4;

/// What MessageKind::Start says.
struct Post {
  std::string hook_path;
  std::string run_directory;
  std::uint32_t position = 0;
  ProcessIdentity process;
};

template <typename Number>
Result<void> read_number(const std::string& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return fail(Errc::InvalidArgument, fmt::format("\"{}\" is no number", text));
  }
  return {};
}

Result<Post> read_post(const Message& message) {
  constexpr std::size_t kFields = 6;
  constexpr std::size_t kLeastDescriptors = 3;
  if (message.kind != MessageKind::Start || message.fields.size() != kFields ||
      message.descriptors.size() < kLeastDescriptors) {
    return fail(Errc::InvalidArgument, "the guardian was started with a message it does not know");
  }
  Post post{.hook_path = message.fields[0], .run_directory = message.fields[1], .process = {}};
  TRY(read_number(message.fields[2], post.position));
  TRY(read_number(message.fields[3], post.process.pid));
  TRY(read_number(message.fields[4], post.process.start_time_ticks));
  TRY(read_number(message.fields[5], post.process.pid_namespace));
  return post;
}

class Guardian {
 public:
  Guardian(int socket_fd, const Post& post, const Hook& hook, Chain& chain, const HookLock& lock)
      : socket_fd_(socket_fd),
        post_(post),
        hook_(hook),
        chain_(chain),
        lock_(lock),
        slots_(chain, lock, post.position),
        target_(hook) {
    if (Result<ChainService> service = ChainService::listen(post.run_directory, hook)) {
      service_.emplace(*std::move(service));
    }
  }

  void run() {
    auto next = steady_clock::now();
    while (!is_over_) {
      const auto now = steady_clock::now();
      if (explanation_ && explanation_->due() && now >= *explanation_->due()) {
        if (const std::optional<std::string> why = explanation_->end()) {
          say({"nothing captured yet: " + *why});
        }
      }
      if (now >= next) {
        look();
        next = now + kInterval;
      }
      wait(std::chrono::ceil<milliseconds>(next - now));
    }
  }

 private:
  void wait(milliseconds most) {
    if (explanation_ && explanation_->due()) {
      most = std::min(
          most, std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*explanation_->due() -
                                                                          steady_clock::now())));
    }
    std::array<pollfd, 2> waits{
        {{.fd = socket_fd_, .events = POLLIN, .revents = 0},
         {.fd = service_ ? service_->fd() : -1, .events = POLLIN, .revents = 0}}};
    if (::poll(waits.data(), waits.size(), static_cast<int>(most.count())) <= 0) {
      return;
    }
    if (waits[0].revents != 0) {
      hear();
    }
    if (waits[1].revents != 0 && !is_over_) {
      service_->answer(chain_);
    }
  }

  void hear() {
    Result<std::optional<Message>> message = receive_message(socket_fd_, milliseconds(0));
    if (message && *message) {
      switch ((*message)->kind) {
        case MessageKind::Programs: take_programs(**message); return;
        case MessageKind::Explain: explain(); return;
        case MessageKind::Leave: break;
        default: return;
      }
    } else if (!message && message.error().sys_errno != ECONNRESET) {
      return;  // no memory, say: the message is still there
    }
    is_over_ = true;
    const HookLock::Turn turn = lock_.take();
    const Result<void> left = chain_.leave(post_.position, post_.process);
    static_cast<void>(send_message(
        socket_fd_, MessageKind::Left,
        left ? std::vector<std::string>{} : std::vector<std::string>{left.error().message}));
  }

  void take_programs(Message& message) {
    if (message.descriptors.size() != message.fields.size() + 1) {
      return;
    }
    ExplanationParts parts{.counters = std::move(message.descriptors.front()), .probes = {}};
    for (std::size_t i = 0; i < message.fields.size(); ++i) {
      std::size_t number = 0;
      if (read_number(message.fields[i], number) && number < kMostActions) {
        parts.probes[action_of(number)] = std::move(message.descriptors[i + 1]);
      }
    }
    explanation_.emplace(hook_, chain_, lock_, post_.position, post_.process, std::move(parts));
  }

  void explain() {
    if (explanation_) {
      explanation_->begin();
    }
  }

  void say(const std::vector<std::string>& sentences) const {
    for (const std::string& sentence : sentences) {
      static_cast<void>(send_message(socket_fd_, MessageKind::Notice,
                                     {fmt::format("hook {}: {}", hook_.path(), sentence)}));
    }
  }

  void look() {
    const std::optional<ChainMember> member = chain_.member(post_.position);
    if (!member || member->state == chain::State::Free || member->process != post_.process) {
      say_end("another process has taken this capture out of the hook", true);
      return;
    }
    chain_.beat(post_.position);
    if (member->state == chain::State::ToldToLeave) {
      const bool is_replaced = member->told_why == chain::Reason::Replaced;
      say_end(
          fmt::format("{} by pid {}",
                      is_replaced ? "this capture is replaced, as -on-busy replace was asked for,"
                                  : "this capture is ended, as -detach was asked for,",
                      member->told_by_pid),
          is_replaced);
      return;
    }
    say(slots_.look());
    if (++looks_ % kIntervalsASecond == 0) {
      remove_dead_of_others();
      say(target_.look());
    }
  }

  void say_end(const std::string& why, bool is_failure) {
    if (!std::exchange(has_said_end_, true)) {
      static_cast<void>(
          send_message(socket_fd_, MessageKind::End,
                       {fmt::format("hook {}: {}", hook_.path(), why), is_failure ? "1" : "0"}));
    }
  }

  void remove_dead_of_others() {
    const std::vector<ChainMember> members = chain_.members();
    if (std::ranges::all_of(members, is_alive)) {
      return;
    }
    const HookLock::Turn turn = lock_.take();
    static_cast<void>(remove_dead(chain_));  // another time, if not now
  }

  int socket_fd_;
  const Post& post_;
  const Hook& hook_;
  Chain& chain_;
  const HookLock& lock_;
  SlotWatch slots_;
  TargetWatch target_;
  std::optional<Explanation> explanation_;
  std::optional<ChainService> service_;
  int looks_ = 0;
  bool is_over_ = false;
  bool has_said_end_ = false;
};

// It keeps what it takes to reach programs by their ids, which foreign programs in slots need; maps on old kernels; and, in
// a run directory of another user, to take its socket away.
Result<void> give_up_privileges(const std::string& run_directory) {
  std::vector<Capability> kept = {Capability::SysAdmin, Capability::Bpf};
  struct stat directory{};
  if (::stat(run_directory.c_str(), &directory) == 0 && directory.st_uid != ::geteuid()) {
    kept.push_back(Capability::DacOverride);
  }
  TRY(reduce({.user = std::nullopt, .kept = kept}));
  Result<void> restricted = restrict_system_calls(SystemCalls::OldGuardian);
  // A kernel without filters is no reason to do without a guardian.
  return !restricted && restricted.error().code == Errc::Unsupported ? Result<void>{} : restricted;
}

Result<void> guard(int socket_fd) {
  constexpr milliseconds kPatience(10'000);
  std::optional<Message> message = TRY(receive_message(socket_fd, kPatience));
  if (!message) {
    return {};  // the capture has died before
  }
  const Post post = TRY(read_post(*message));
  UniqueFd hook_fd = std::move(message->descriptors.back());
  message->descriptors.pop_back();
  const Hook hook = TRY(Hook::adopt(std::move(hook_fd), post.hook_path));
  Chain chain = TRY(Chain::adopt(hook, parts_from(std::move(message->descriptors))));
  const HookLock lock = HookLock::open(post.run_directory).value_or(HookLock());
  Guardian guardian(socket_fd, post, hook, chain, lock);
  TRY(give_up_privileges(post.run_directory));
  // If the capture has died meanwhile, run() finds out.
  static_cast<void>(send_message(socket_fd, MessageKind::Ready));
  guardian.run();
  return {};
}

}  // namespace

int run_guardian(int socket_fd) {
  // ps shows this name; started from /proc/self/exe, the process would be called "exe".
  static_cast<void>(::prctl(PR_SET_NAME, kGuardianName));
  // It ends when the capture does; nothing else ends it but SIGKILL.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGTSTP}) {
    static_cast<void>(std::signal(signal, SIG_IGN));
  }
  static_cast<void>(::chdir("/"));
  const Result<void> guarded = guard(socket_fd);
  if (!guarded) {
    static_cast<void>(send_message(socket_fd, MessageKind::End, {guarded.error().message, "1"}));
    return 1;
  }
  return 0;
}

}  // namespace xdpcap

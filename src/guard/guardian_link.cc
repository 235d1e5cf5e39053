// SPDX-License-Identifier: BSD-3-Clause

#include "guard/guardian_link.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>

#include "guard/guardian.h"
#include "guard/message.h"
#include "kernel/errors.h"

namespace xdpcap {
namespace {

using std::chrono::milliseconds;

/// What posix_spawn() is told, freed with the object.
class SpawnPlan {
 public:
  explicit SpawnPlan(int socket_fd) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawn_file_actions_adddup2(&actions_, socket_fd, kGuardianSocket);
    // A guardian that held the capture's streams would keep their readers waiting.
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
      ::posix_spawn_file_actions_addopen(&actions_, fd, "/dev/null", O_RDWR, 0);
    }
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, kGuardianSocket + 1);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setflags(&attributes_,
                               POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  /// Errors: Kernel.
  Result<pid_t> run(const std::string& hook_path) const {
    std::string name = kGuardianName;
    std::string of = fmt::format("{}", ::getpid());
    std::string hook = hook_path;
    std::array<char*, 4> words{name.data(), of.data(), hook.data(), nullptr};
    pid_t pid = -1;
    const int error_number =
        ::posix_spawn(&pid, "/proc/self/exe", &actions_, &attributes_, words.data(), ::environ);
    if (error_number == 0) {
      return pid;
    }
    return fail(
        Errc::Kernel,
        fmt::format(
            "start the guardian process, which takes a capture that is killed out of the hook: {}{}",
            errno_text(error_number),
            error_number == EAGAIN ? "; the limit of processes is reached, see ulimit -u" : ""),
        error_number);
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// Waits for a child's end; then it is no child any more.
void reap(pid_t pid, milliseconds most) {
  constexpr milliseconds kPause(2);
  const auto deadline = std::chrono::steady_clock::now() + most;
  while (::waitpid(pid, nullptr, WNOHANG) == 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

GuardianLink::GuardianLink(GuardianLink&& other) noexcept
    : socket_(std::move(other.socket_)),
      pid_(std::exchange(other.pid_, -1)),
      answers_(other.answers_) {}

Result<GuardianLink> GuardianLink::start(const Hook& hook, const ChainPlace& place,
                                         const std::string& run_directory) {
  constexpr milliseconds kPatience(10'000);
  auto [ours, theirs] = TRY(make_message_sockets());
  // Above the number it is to get, so that dup2() makes a copy that stays open.
  const UniqueFd theirs_high(::fcntl(theirs.get(), F_DUPFD_CLOEXEC, kGuardianSocket + 1));
  if (!theirs_high.is_open()) {
    return fail(Errc::Io, fmt::format("start the guardian process: {}", errno_text(errno)), errno);
  }
  GuardianLink link(std::move(ours), TRY(SpawnPlan(theirs_high.get()).run(hook.path())));
  theirs.reset();
  std::vector<int> descriptors = place.chain().descriptors();
  descriptors.push_back(hook.fd());
  TRY(send_message(link.fd(), MessageKind::Start,
                   {hook.path(), run_directory, fmt::format("{}", place.position()),
                    fmt::format("{}", place.process().pid),
                    fmt::format("{}", place.process().start_time_ticks),
                    fmt::format("{}", place.process().pid_namespace)},
                   descriptors)
          .with_context("start the guardian process"));
  const std::optional<Message> answer =
      TRY(receive_message(link.fd(), kPatience).with_context("start the guardian process"));
  if (!answer || answer->kind != MessageKind::Ready) {
    return fail(Errc::Kernel, fmt::format("start the guardian process: {}",
                                          answer && !answer->fields.empty()
                                              ? answer->fields.front()
                                              : "it ended at once; see whether /proc is mounted"));
  }
  return link;
}

GuardianLink::~GuardianLink() {
  constexpr milliseconds kPatience(1'000);
  if (pid_ < 0) {
    return;
  }
  socket_.reset();
  reap(pid_, answers_ ? kPatience : milliseconds(0));
}

std::optional<GuardianLink::Word> GuardianLink::hear() {
  if (!socket_.is_open()) {
    return std::nullopt;
  }
  Result<std::optional<Message>> message = receive_message(socket_.get(), milliseconds(0));
  if (!message && message.error().code == Errc::Busy) {
    return std::nullopt;
  }
  if (!message || !*message) {
    socket_.reset();
    return Word{.kind = Word::Kind::Gone, .text = {}};
  }
  const std::vector<std::string>& fields = (*message)->fields;
  const std::string text = fields.empty() ? "" : fields.front();
  switch ((*message)->kind) {
    case MessageKind::Notice: return Word{.kind = Word::Kind::Notice, .text = text};
    case MessageKind::End:
      return Word{
          .kind = fields.size() > 1 && fields[1] == "1" ? Word::Kind::Failed : Word::Kind::End,
          .text = text};
    default: return std::nullopt;
  }
}

// What is only for a sentence may fail silently.
void GuardianLink::give_programs(int counters_fd, const std::map<Action, int>& probes) {
  std::vector<std::string> actions;
  std::vector<int> descriptors = {counters_fd};
  for (const auto& [action, program_fd] : probes) {
    actions.push_back(fmt::format("{}", index(action)));
    descriptors.push_back(program_fd);
  }
  static_cast<void>(send_message(fd(), MessageKind::Programs, actions, descriptors));
}

void GuardianLink::explain() {
  static_cast<void>(send_message(fd(), MessageKind::Explain));
}

Result<bool> GuardianLink::leave() {
  constexpr milliseconds kPatience(3'000);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  if (!socket_.is_open() || !send_message(socket_.get(), MessageKind::Leave)) {
    return false;
  }
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    Result<std::optional<Message>> message =
        receive_message(socket_.get(), std::max(left, milliseconds(0)));
    if (!message || !*message) {
      answers_ = message || message.error().code != Errc::Busy;  // otherwise it is stopped
      return false;
    }
    if ((*message)->kind != MessageKind::Left) {
      continue;  // what it said before
    }
    if (!(*message)->fields.empty()) {
      return fail(Errc::Kernel, (*message)->fields.front());
    }
    return true;
  }
}

}  // namespace xdpcap

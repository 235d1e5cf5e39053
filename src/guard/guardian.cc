// SPDX-License-Identifier: BSD-3-Clause
//
// What a guardian does; guardian_link.cc is its capture's side.

#include "guard/guardian.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <map>
#include <vector>

#include "attach/hook_diagnosis.h"
#include "attach/target_watch.h"
#include "guard/filter_loading.h"
#include "kernel/file_status.h"
#include "kernel/quiesce.h"
#include "privilege/landlock.h"
#include "privilege/reduce.h"
#include "privilege/sanitized.h"
#include "privilege/system_calls.h"

namespace xdpcap {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kInterval(250);
constexpr int kIntervalsASecond = 4;

// What ps shows: written over the words that this process was started with, in the same form.
void take_name(const std::string& hook_path) {
  static_cast<void>(::prctl(PR_SET_NAME, kGuardianName));
  using std::string_literals::operator""s;
  const std::string title = kGuardianName + "\0"s + std::to_string(::getppid()) + "\0"s + hook_path;
  char* const begin = ::program_invocation_name;
  const bool has_end = ::environ != nullptr && ::environ[0] != nullptr && ::environ[0] > begin;
  const std::size_t room =
      has_end ? static_cast<std::size_t>(::environ[0] - begin) : std::strlen(begin) + 1;
  std::memset(begin, 0, room);
  std::memcpy(begin, title.data(), std::min(title.size(), room - 1));
}

// It ends when the capture does; nothing else ends it but SIGKILL.  What it holds of the capture's streams would keep
// their readers waiting.
void stand_alone(const Post& post) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGTSTP}) {
    static_cast<void>(std::signal(signal, SIG_IGN));
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setsid();
  ::umask(0077);  // a tighter one would close to its user what it makes
  const UniqueFd nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (nowhere.is_open()) {
      ::dup2(nowhere.get(), fd);
    }
  }
  if (post.output_fd >= 0) {
    ::close(post.output_fd);
  }
  take_name(post.hook.path());
}

// Files are none of its business; all that it makes and removes is beside the hook.
Result<void> give_up_paths(int beside_hook_fd) {
  if (kIsSanitized) {
    return {};  // what looks for leaks reads /proc
  }
  const AllowedPath allowed[] = {{.fd = beside_hook_fd, .right = PathRight::Pin}};
  TRY(restrict_paths(allowed));
  return {};
}

// The hook's directory may be another user's: then it takes a right to make and remove the chain's there.
Result<void> give_up_privileges(const Post& post, const Chain& chain) {
  std::vector<Capability> kept = {Capability::SysAdmin, Capability::Bpf};
  if (post.filter_fd >= 0) {
    kept.insert(kept.end(), {Capability::NetAdmin, Capability::Perfmon});
  }
  const auto directory = std::filesystem::path(chain.directory().path()).parent_path();
  const UniqueFd beside_hook(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat parent{};
  if (file_status(beside_hook.get(), parent) && parent.st_uid != ::geteuid()) {
    kept.push_back(Capability::DacOverride);
  }
  TRY(reduce({.user = std::nullopt, .kept = kept}));
  if (beside_hook.is_open()) {
    TRY(give_up_paths(beside_hook.get()));
  }
  Result<void> restricted = restrict_system_calls(SystemCalls::Guardian);
  // Where the kernel has no such filters, the guardian works all the same.
  return !restricted && restricted.error().code == Errc::Unsupported ? Result<void>{} : restricted;
}

Result<std::vector<cbpfc::RawInsn>> read_program(int fd) {
  constexpr off_t kMostBytes = 64 << 20;
  struct stat status{};
  if (!file_status(fd, status) || status.st_size > kMostBytes) {
    return fail(Errc::TooLarge, "read the new filter: it is too long");
  }
  std::vector<cbpfc::RawInsn> raw(static_cast<std::size_t>(status.st_size) /
                                  sizeof(cbpfc::RawInsn));
  const std::size_t bytes = raw.size() * sizeof(cbpfc::RawInsn);
  if (::pread(fd, raw.data(), bytes, 0) != static_cast<ssize_t>(bytes)) {
    return fail(Errc::Io, "read the new filter: it has changed meanwhile");
  }
  return raw;
}

class Guard {
 public:
  Guard(int socket_fd, int capture_fd, HookCapture& capture, const Post& post)
      : socket_fd_(socket_fd),
        capture_fd_(capture_fd),
        capture_(capture),
        post_(post),
        loading_(capture),
        target_(post.hook) {}

  Result<void> run() {
    std::vector<std::string> notes;
    if (Result<void> joined = capture_.join(post_.filter, post_.join, notes); !joined) {
      static_cast<void>(capture_.detach());
      return joined;
    }
    say(MessageKind::Done, fmt::format("{}", fmt::join(notes, "\n")));
    auto next = steady_clock::now();
    while (!is_over_) {
      const auto now = steady_clock::now();
      if (explain_at_ && now >= *explain_at_) {
        end_explanation();
      }
      if (is_entered_ && now >= next) {
        look();
        next = now + kInterval;
      }
      wait(explain_at_ ? std::min(next, *explain_at_) : next);
    }
    return {};
  }

 private:
  void say(MessageKind kind, const std::string& text = {}) const {
    static_cast<void>(send_message(socket_fd_, kind, text));
  }
  void say_of_hook(MessageKind kind, const std::string& sentence) const {
    say(kind, fmt::format("hook {}: {}", post_.hook.path(), sentence));
  }
  void say_broken(const std::string& why) {
    if (!std::exchange(has_said_end_, true)) {
      say(MessageKind::Broken,
          error_text({.code = Errc::Busy,
                      .message = fmt::format("hook {}: {}", post_.hook.path(), why),
                      .detail = {}}));
    }
  }

  void wait(steady_clock::time_point until) {
    const auto most = is_entered_ ? std::chrono::ceil<milliseconds>(until - steady_clock::now())
                                  : milliseconds(-1);
    std::array<pollfd, 3> waits{{{.fd = socket_fd_, .events = POLLIN, .revents = 0},
                                 {.fd = capture_fd_, .events = POLLIN, .revents = 0},
                                 {.fd = loading_.fd(), .events = POLLIN, .revents = 0}}};
    const int limit = is_entered_ ? static_cast<int>(std::max(most, milliseconds(0)).count()) : -1;
    if (::poll(waits.data(), waits.size(), limit) <= 0) {
      return;
    }
    if (waits[0].revents != 0) {
      hear();
    } else if (waits[1].revents != 0) {
      leave();
    } else if (waits[2].revents != 0) {
      put_filter();
    }
  }

  void hear() {
    Result<std::optional<Message>> message = receive_message(socket_fd_, milliseconds(0));
    if (!message) {
      return;  // no memory, say: it is still there
    }
    if (!*message) {
      leave();
      return;
    }
    switch ((*message)->kind) {
      case MessageKind::Enter: begin(); break;
      case MessageKind::Leave: leave(); break;
      case MessageKind::Explain: begin_explanation(); break;
      case MessageKind::Filter: filter(**message); break;
      default: break;
    }
  }

  void answer(const Result<void>& result) const {
    say(result ? MessageKind::Done : MessageKind::Failed, result ? "" : error_text(result.error()));
  }

  // The slots first; what else there is to do can wait until packets come.
  void begin() {
    if (is_entered_) {
      answer(fail(Errc::InvalidArgument, "the capture is in the hook already"));
      return;
    }
    const Result<void> entered = capture_.enter();
    answer(entered);
    if (!entered) {
      return;
    }
    is_entered_ = true;
    if (const Result<void> settled = settle(); !settled && !std::exchange(has_said_end_, true)) {
      say(MessageKind::Broken, error_text(settled.error()));
    }
  }

  Result<void> settle() {
    if (Result<HookCapture::Programs> probes =
            post_.explains ? capture_.load_probes() : HookCapture::Programs()) {
      probes_ = *std::move(probes);  // without them, the explanation is about captured actions only
    }
    return give_up_privileges(post_, *capture_.chain());
  }

  void leave() {
    is_over_ = true;
    answer(capture_.chain()->leave());
    capture_.chain()->tidy();
  }

  void filter(const Message& message) {
    if (post_.filter_fd < 0 || !is_entered_) {
      refuse(fail(Errc::Unsupported, "this capture takes no other filter"));
    } else if (loading_.fd() < 0) {
      refuse(fail(Errc::Kernel, "load the new filter: the guardian had no descriptor for it"));
    } else if (Result<std::vector<cbpfc::RawInsn>> program = read_program(post_.filter_fd)) {
      loading_.start(*std::move(program), message.text);
    } else {
      refuse(std::unexpected(program.error()));
    }
  }
  void put_filter() {
    auto [programs, text] = loading_.take();
    const Result<void> replaced = programs ? capture_.replace_programs(*std::move(programs))
                                           : Result<void>(std::unexpected(programs.error()));
    if (replaced) {
      say(MessageKind::Filtered, text);
    } else {
      refuse(replaced);
    }
  }
  void refuse(const Result<void>& why) const { say(MessageKind::Refused, error_text(why.error())); }

  void look() {
    Chain& chain = *capture_.chain();
    if (chain.is_taken_out()) {
      say_broken("another process has taken this capture out of the hook");
      return;
    }
    if (const std::optional<ChainMember> told = chain.told_to_leave()) {
      const std::string by = fmt::format("by pid {}", told->told_by_pid);
      if (told->told_why == chain::Reason::Replaced) {
        say_broken("this capture is replaced, as -on-busy replace was asked for, " + by);
      } else if (!std::exchange(has_said_end_, true)) {
        say_of_hook(MessageKind::End, "this capture is ended, as -detach was asked for, " + by);
      }
      return;
    }
    look_at_slots();
    if (++looks_ % kIntervalsASecond == 0) {
      for (const std::string& note : chain.remove_dead()) {
        say(MessageKind::Notice, note);
      }
      for (const std::string& change : target_.look()) {
        say_of_hook(MessageKind::Notice, change);
      }
    }
  }

  void look_at_slots() {
    std::map<Action, std::string> lost;
    for (const Chain::NotCalled& slot : capture_.chain()->not_called()) {
      lost[slot.action] = fmt::format("slot {} was {}", name(slot.action),
                                      slot.holder ? "taken by " + describe_program(*slot.holder)
                                                  : "emptied by another program");
    }
    const auto is_lost = [&](Action action) { return lost.contains(action); };
    if (std::ranges::all_of(post_.join.actions, is_lost)) {
      say_broken("no slot leads to this capture any more: " + lost[post_.join.actions.front()]);
    }
    for (const auto& [action, sentence] : lost) {
      if (!lost_.contains(action) && !has_said_end_) {
        say_of_hook(MessageKind::Missed,
                    sentence + "; packets with this action are not seen from here on");
      }
    }
    lost_ = std::move(lost);
  }

  void begin_explanation() {
    constexpr std::chrono::seconds kCountingTime{1};
    if (!is_entered_ || explain_at_) {
      return;
    }
    // Slots that cannot be entered are not counted; the sentence then is about the others.
    static_cast<void>(capture_.chain()->enter(HookCapture::descriptors(probes_)));
    explain_at_ = steady_clock::now() + kCountingTime;
  }

  void end_explanation() {
    explain_at_.reset();
    std::vector<Action> probed;
    std::ranges::transform(probes_, std::back_inserter(probed),
                           [](const auto& probe) { return probe.first; });
    static_cast<void>(capture_.chain()->withdraw(probed));
    if (const Result<ActionCounters> counters = capture_.counters()) {
      CaptureSituation situation{.facts = hook_facts(post_.hook),
                                 .filter = post_.join.filter,
                                 .captured = {},
                                 .others = {}};
      set_counts(situation, post_.hook.actions(), post_.join.actions, *counters);
      if (const std::optional<std::string> why = why_nothing_was_captured(situation)) {
        say_of_hook(MessageKind::Notice, "nothing captured yet: " + *why);
      }
    }
  }

  int socket_fd_;
  int capture_fd_;
  HookCapture& capture_;
  const Post& post_;
  FilterLoading loading_;
  TargetWatch target_;
  HookCapture::Programs probes_;
  std::optional<steady_clock::time_point> explain_at_;
  std::map<Action, std::string> lost_;  ///< slots that do not lead to the capture
  int looks_ = 0;
  bool is_entered_ = false;
  bool is_over_ = false;
  bool has_said_end_ = false;
};

}  // namespace

int guard(int socket_fd, int capture_fd, HookCapture& capture, const Post& post) {
  stand_alone(post);
  prepare_to_wait_for_programs();
  const Result<void> guarded = Guard(socket_fd, capture_fd, capture, post).run();
  if (!guarded) {
    static_cast<void>(send_message(socket_fd, MessageKind::Failed, error_text(guarded.error())));
  }
  return guarded ? 0 : 1;
}

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/sharing/guardian.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <future>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/file_io.h"
#include "base/process_start.h"
#include "base/thread.h"
#include "xdpcap/inspect/hook_diagnosis.h"
#include "xdpcap/inspect/target_watch.h"
#include "xdpcap/kernel/quiesce.h"
#include "xdpcap/privilege/landlock.h"
#include "xdpcap/privilege/reduce.h"
#include "xdpcap/privilege/system_calls.h"

namespace xdpcap {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

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

// It ends when the capture does; nothing else ends it but SIGKILL, also nothing that a terminal sends to xdpcap.  What it holds of
// the capture's streams would keep their readers waiting.
void stand_alone(const GuardianOptions& options) {
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
  if (options.output_fd >= 0) {
    ::close(options.output_fd);
  }
  take_name(options.hook.path());
}

// The hook's directory may be another user's: then it takes a right to make and remove the chain's there.  No other path is used.
Result<void> give_up_privileges(const GuardianOptions& options, const Chain& chain) {
  std::vector<Capability> kept = {Capability::SysAdmin, Capability::Bpf};
  if (options.filter_fd >= 0) {
    kept.insert(kept.end(), {Capability::NetAdmin, Capability::Perfmon});
  }
  const auto directory = std::filesystem::path(chain.directory().path()).parent_path();
  const UniqueFd beside_hook(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat parent{};
  if (file_status(beside_hook.get(), parent) && parent.st_uid != ::geteuid()) {
    kept.push_back(Capability::DacOverride);
  }
  TRY(reduce({.user = std::nullopt, .kept = kept}));
  if (beside_hook.is_open() && !kIsSanitized) {  // what looks for leaks reads /proc
    const AllowedPath allowed[] = {{.fd = beside_hook.get(), .right = PathRight::Pin}};
    TRY(restrict_paths(allowed));
  }
  Result<void> restricted = restrict_system_calls(SystemCalls::Guardian);
  // Where the kernel has no such filters, the guardian works all the same.
  return !restricted && restricted.error().code == Errc::Unsupported ? Result<void>{} : restricted;
}

Result<cbpfc::Filter> read_filter(int fd) {
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
  return cbpfc::Filter::decode(raw, cbpfc::Accept::Compiler);
}

/// The life of a guardian.  `capture_fd`: a pidfd of the capture; -1: there is none, then the socket alone says that it has died.
class Guard {
 public:
  Guard(int socket_fd, int capture_fd, HookCapture& capture, const GuardianOptions& options)
      : socket_fd_(socket_fd),
        capture_fd_(capture_fd),
        capture_(capture),
        options_(options),
        target_(options.hook) {}

  /// Its exit code.
  int run() {
    std::vector<std::string> notes;
    if (Result<void> joined = capture_.join(options_.filter, options_.join, notes); !joined) {
      static_cast<void>(capture_.detach());
      say(MessageKind::Done, std::unexpected(joined.error()));
      return 1;
    }
    say(MessageKind::Done, fmt::format("{}", fmt::join(notes, "\n")));
    while (!is_over_) {
      wait();
      if (is_entered_ && !is_over_) {
        do_what_is_due();
      }
    }
    return 0;
  }

 private:
  void say(MessageKind kind, const Result<std::string>& text) const {
    static_cast<void>(send_message(socket_fd_, kind, text));
  }
  void say_how(MessageKind kind, const Result<void>& done, const std::string& text = {}) const {
    say(kind, done ? Result<std::string>(text) : std::unexpected(done.error()));
  }
  std::string of_hook(const std::string& sentence) const {
    return fmt::format("hook {}: {}", options_.hook.path(), sentence);
  }
  void say_end(const Result<std::string>& why) {
    if (!std::exchange(has_said_end_, true)) {
      say(MessageKind::End, why);
    }
  }

  void wait() {
    constexpr milliseconds kLoadingInterval(10);
    const auto now = steady_clock::now();
    auto until = explain_at_ ? std::min(look_at_, *explain_at_) : look_at_;
    until = loading_.valid() ? std::min(until, now + kLoadingInterval) : until;
    const auto most = std::max(std::chrono::ceil<milliseconds>(until - now), milliseconds(0));
    std::array<pollfd, 2> waits{{{.fd = socket_fd_, .events = POLLIN, .revents = 0},
                                 {.fd = capture_fd_, .events = POLLIN, .revents = 0}}};
    ::poll(waits.data(), waits.size(), is_entered_ ? static_cast<int>(most.count()) : -1);
    // To hear what a dead capture had to say takes memory, and changes nothing.
    if (waits[1].revents != 0) {
      leave();
    } else if (waits[0].revents != 0) {
      hear();
    }
  }

  void hear() {
    const Result<std::optional<Message>> message = receive_message(socket_fd_, milliseconds(0));
    if (!message) {
      return;  // no memory, say: it is still there
    }
    switch (*message ? (*message)->kind : MessageKind::Leave) {
      case MessageKind::Enter: enter(); break;
      case MessageKind::Leave: leave(); break;
      case MessageKind::Explain: begin_explanation(); break;
      case MessageKind::Filter: load((*message)->text.value_or("")); break;
      default: break;
    }
  }

  void do_what_is_due() {
    constexpr milliseconds kInterval(250);
    const auto now = steady_clock::now();
    if (explain_at_ && now >= *explain_at_) {
      end_explanation();
    }
    if (loading_.valid() && loading_.wait_for(milliseconds(0)) == std::future_status::ready) {
      put_filter();
    }
    if (now >= look_at_) {
      look();
      look_at_ = now + kInterval;
    }
  }

  // The slots first; what else there is to do can wait until packets come.
  void enter() {
    const Result<void> entered =
        is_entered_ ? fail(Errc::InvalidArgument, "the capture is in the hook already")
                    : capture_.enter();
    say_how(MessageKind::Done, entered);
    if (!entered) {
      return;
    }
    is_entered_ = true;
    if (options_.explains) {  // without them, the explanation is about captured actions only
      probes_ = capture_.load_probes().value_or(HookCapture::Programs());
    }
    if (const Result<void> given_up = give_up_privileges(options_, *capture_.chain()); !given_up) {
      say_end(std::unexpected(given_up.error()));
    }
  }

  void leave() {
    is_over_ = true;
    cli::give_back_kept_memory();
    say_how(MessageKind::Done, capture_.chain()->leave());
    capture_.chain()->tidy();
  }

  // --- Another filter.  A long one takes the compiler minutes, in which the capture may leave: the thread is then left to the end of
  // the process.

  void load(const std::string& text) {
    if (loading_.valid()) {
      next_text_ = text;  // in the place of another one that waits
    } else if (const Result<void> started = start_loading(text); !started) {
      say_how(MessageKind::Notice, started);
    }
  }
  Result<void> start_loading(const std::string& text) {
    if (options_.filter_fd < 0 || !is_entered_) {
      return fail(Errc::Unsupported, "this capture takes no other filter");
    }
    const cbpfc::Filter filter = TRY(read_filter(options_.filter_fd));
    const auto loaded = std::make_shared<std::promise<Result<HookCapture::Programs>>>();
    std::thread thread =
        TRY(start_thread("load the new filter", [&capture = capture_, filter, loaded] {
          loaded->set_value(capture.load_programs(filter));
        }));
    thread.detach();
    loading_ = loaded->get_future();
    loading_text_ = text;
    return {};
  }
  void put_filter() {
    Result<HookCapture::Programs> programs = loading_.get();
    say_how(MessageKind::Notice,
            programs ? capture_.replace_programs(*std::move(programs))
                     : Result<void>(std::unexpected(programs.error())),
            loading_text_);
    if (const auto text = std::exchange(next_text_, std::nullopt)) {
      load(*text);
    }
  }

  // --- What others do.

  void look() {
    constexpr int kLooksASecond = 4;
    Chain& chain = *capture_.chain();
    if (chain.is_taken_out()) {
      return say_broken("another process has taken this capture out of the hook");
    }
    if (const std::optional<ChainMember> told = chain.told_to_leave()) {
      const std::string by = fmt::format("by pid {}", told->told_by_pid);
      return told->told_why == chain::Reason::Replaced
                 ? say_broken("this capture is replaced, as -on-busy replace was asked for, " + by)
                 : say_end(of_hook("this capture is ended, as -detach was asked for, " + by));
    }
    look_at_slots();
    if (++looks_ % kLooksASecond == 0) {
      for (const std::string& note : chain.remove_dead()) {
        say(MessageKind::Notice, note);
      }
      for (const std::string& change : target_.look()) {
        say(MessageKind::Notice, of_hook(change));
      }
    }
  }
  void say_broken(const std::string& why) { say_end(fail(Errc::Busy, of_hook(why))); }

  void look_at_slots() {
    std::map<Action, std::string> lost;
    for (const auto& [action, holder] : capture_.chain()->not_called()) {
      lost[action] = fmt::format(
          "slot {} was {}", name(action),
          holder ? "taken by " + describe_program(*holder) : "emptied by another program");
    }
    const std::vector<Action>& captured = options_.join.actions;
    if (std::ranges::all_of(captured, [&](Action action) { return lost.contains(action); })) {
      return say_broken("no slot leads to this capture any more: " + lost[captured.front()]);
    }
    for (const auto& [action, sentence] : lost) {
      if (!lost_.contains(action)) {
        say(MessageKind::Missed,
            of_hook(sentence + "; packets with this action are not seen from here on"));
      }
    }
    lost_ = std::move(lost);
  }

  // --- Why nothing was captured: packets of all actions are counted for a second.

  void begin_explanation() {
    if (is_entered_ && !explain_at_) {
      // Slots that cannot be entered are not counted; the sentence then is about the others.
      static_cast<void>(capture_.chain()->enter(HookCapture::descriptors(probes_)));
      explain_at_ = steady_clock::now() + std::chrono::seconds(1);
    }
  }

  void end_explanation() {
    explain_at_.reset();
    std::vector<Action> probed;
    for (const auto& [action, program] : probes_) {
      probed.push_back(action);
    }
    static_cast<void>(capture_.chain()->withdraw(probed));
    if (const Result<ActionCounters> counters = capture_.counters()) {
      CaptureSituation situation{.facts = hook_facts(options_.hook),
                                 .filter = options_.join.filter,
                                 .captured = {},
                                 .others = {}};
      set_counts(situation, options_.hook.actions(), options_.join.actions, *counters);
      if (const std::optional<std::string> why = why_nothing_was_captured(situation)) {
        say(MessageKind::Notice, of_hook("nothing captured yet: " + *why));
      }
    }
  }

  int socket_fd_;
  int capture_fd_;
  HookCapture& capture_;
  const GuardianOptions& options_;
  TargetWatch target_;
  HookCapture::Programs probes_;
  std::future<Result<HookCapture::Programs>> loading_;
  std::string loading_text_;
  std::optional<std::string> next_text_;
  steady_clock::time_point look_at_;
  std::optional<steady_clock::time_point> explain_at_;
  std::map<Action, std::string> lost_;  ///< slots that do not lead to the capture
  int looks_ = 0;
  bool is_entered_ = false;
  bool is_over_ = false;
  bool has_said_end_ = false;
};

std::unexpected<Error> guardian_is_gone() {
  return fail(
      Errc::Kernel,
      "the guardian process has been killed, so the capture ends; its programs stay in the hook, where they "
      "return their actions, until the next xdpcap there, or xdpcap -detach, takes them out");
}

bool is_stopped(pid_t child) {
  int status = 0;
  return ::waitpid(child, &status, WNOHANG | WUNTRACED) == child && WIFSTOPPED(status);
}

// xdpcap has blocked them, to end in an orderly way.
bool has_signal_to_end() {
  sigset_t pending;
  return ::sigpending(&pending) == 0 &&
         (::sigismember(&pending, SIGINT) == 1 || ::sigismember(&pending, SIGTERM) == 1);
}

}  // namespace

Result<Guardian> Guardian::start(HookCapture& capture, const GuardianOptions& options) {
  auto [ours, theirs] = TRY(make_message_sockets());
  const UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  const pid_t pid = ::fork();
  if (pid < 0) {
    return fail(
        Errc::Kernel,
        fmt::format(
            "start the guardian process, which takes a capture that is killed out of the hook: {}{}",
            errno_text(errno),
            errno == EAGAIN ? "; the limit of processes is reached, see ulimit -u" : ""),
        errno);
  }
  if (pid == 0) {
    ours.reset();
    cli::keep_memory_for_the_end();
    stand_alone(options);
    prepare_to_wait_for_programs();
    ::_exit(Guard(theirs.get(), self.get(), capture, options).run());
  }
  return Guardian(std::move(ours), pid);
}

Guardian::Guardian(Guardian&& other) noexcept
    : socket_(std::move(other.socket_)),
      pid_(std::exchange(other.pid_, -1)),
      answers_(other.answers_) {}

Guardian::~Guardian() {
  constexpr milliseconds kPatience(1'000);
  constexpr std::chrono::microseconds kPause(100);  // people wait for it
  socket_.reset();
  const auto deadline = steady_clock::now() + (answers_ ? kPatience : milliseconds(0));
  while (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == 0 && steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kPause);
  }
}

std::optional<Message> Guardian::hear() {
  if (!socket_.is_open()) {
    return std::nullopt;
  }
  Result<std::optional<Message>> message = receive_message(socket_.get(), milliseconds(0));
  if (message ? message->has_value() : message.error().code == Errc::Busy) {
    return message ? *std::move(message) : std::nullopt;
  }
  socket_.reset();
  return Message{.kind = MessageKind::End, .text = guardian_is_gone()};
}

Result<void> Guardian::tell(MessageKind kind, const std::string& text) const {
  return send_message(socket_.get(), kind, text).with_context("tell the guardian process");
}

Result<std::string> Guardian::ask(std::optional<MessageKind> kind) {
  constexpr milliseconds kInterval(100);
  constexpr std::chrono::seconds kPatience(3);
  const bool is_told = !kind || tell(*kind);  // if it has ended, it has said why
  const auto deadline = steady_clock::now() + kPatience;
  while (socket_.is_open()) {
    Result<std::optional<Message>> message = receive_message(socket_.get(), kInterval);
    if (message && !*message) {
      break;
    }
    if (message && (*message)->kind == MessageKind::Done && (is_told || !(*message)->text)) {
      return std::move((*message)->text);
    }
    if (message || steady_clock::now() < deadline) {
      continue;
    }
    if (kind == MessageKind::Leave || is_stopped(pid_)) {
      answers_ = false;
      return fail(
          Errc::Busy,
          "the guardian process does not answer; what it has put into the hook stays until it does");
    }
    if (has_signal_to_end()) {
      answers_ = false;
      return fail(Errc::Busy, "stopped while the filter was compiled and loaded");
    }
  }
  return guardian_is_gone();
}

}  // namespace xdpcap

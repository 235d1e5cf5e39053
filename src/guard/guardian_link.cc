// SPDX-License-Identifier: BSD-3-Clause

#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <thread>
#include <utility>

#include "guard/guardian.h"
#include "kernel/errors.h"

namespace xdpcap {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Result<Guardian> Guardian::start(HookCapture& capture, const Post& post) {
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
    ::_exit(guard(theirs.get(), self.get(), capture, post));
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
  if (pid_ < 0) {
    return;
  }
  socket_.reset();
  const auto deadline = steady_clock::now() + (answers_ ? kPatience : milliseconds(0));
  while (::waitpid(pid_, nullptr, WNOHANG) == 0 && steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kPause);
  }
}

std::optional<Message> Guardian::hear() {
  if (!socket_.is_open()) {
    return std::nullopt;
  }
  Result<std::optional<Message>> message = receive_message(socket_.get(), milliseconds(0));
  if (message && *message) {
    return *std::move(message);
  }
  if (!message && message.error().code == Errc::Busy) {
    return std::nullopt;
  }
  socket_.reset();
  return Message{
      .kind = MessageKind::Broken,
      .text = error_text(
          {.code = Errc::Kernel,
           .message = "the guardian process has been killed, so the capture ends; its programs "
                      "stay in the hook, where they return their actions, until the next "
                      "xdpcap there, or xdpcap -detach, takes them out",
           .detail = {}})};
}

Result<void> Guardian::tell(MessageKind kind, const std::string& text) const {
  return send_message(socket_.get(), kind, text).with_context("tell the guardian process");
}

Result<std::string> Guardian::ask(std::optional<MessageKind> kind, milliseconds most) {
  const auto gone = [] {
    return fail(
        Errc::Kernel,
        "the guardian process has been killed; what it had put into the hook stays there until the "
        "next xdpcap, or xdpcap -detach, takes it out");
  };
  if (!socket_.is_open()) {
    return gone();
  }
  // If it has ended, it has said why.
  const bool is_told = !kind || tell(*kind);
  const auto deadline = steady_clock::now() + most;
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    Result<std::optional<Message>> message =
        receive_message(socket_.get(), std::max(left, milliseconds(0)));
    if (!message) {
      if (message.error().code == Errc::Busy && left > milliseconds(0)) {
        continue;
      }
      answers_ = false;  // it is stopped
      return fail(
          Errc::Busy,
          "the guardian process does not answer; what it has put into the hook stays until it does");
    }
    if (!*message) {
      return gone();
    }
    switch ((*message)->kind) {
      case MessageKind::Done:
        if (is_told) {
          return (*message)->text;
        }
        break;
      case MessageKind::Failed: return std::unexpected(error_of((*message)->text));
      default: break;  // what it said before
    }
  }
}

}  // namespace xdpcap

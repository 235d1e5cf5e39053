// SPDX-License-Identifier: BSD-3-Clause

#include "guard/message.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <thread>

#include "kernel/errors.h"

namespace xdpcap {
namespace {

std::unexpected<Error> io_failure(const char* attempt, int error_number) {
  return fail(Errc::Io, fmt::format("{}: {}", attempt, errno_text(error_number)), error_number);
}

std::unexpected<Error> none_came() {
  return fail(Errc::Busy, "wait for a message: none came in time");
}

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> make_message_sockets() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
    return io_failure("make a pair of sockets", errno);
  }
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

Result<void> send_message(int socket_fd, MessageKind kind, const std::string& text) {
  std::string body(1, static_cast<char>(kind));
  body += text.substr(text.size() - std::min(text.size(), kMostMessageBytes - 1));
  constexpr int kTries = 10;
  constexpr std::chrono::milliseconds kPause(1);
  for (int i = 0; ::send(socket_fd, body.data(), body.size(), MSG_NOSIGNAL) < 0; ++i) {
    if (errno != EINTR && (i == kTries || (errno != ENOBUFS && errno != ENOMEM))) {
      return io_failure("send a message", errno);
    }
    std::this_thread::sleep_for(kPause);
  }
  return {};
}

Result<std::optional<Message>> receive_message(int socket_fd, std::chrono::milliseconds most) {
  pollfd wait{.fd = socket_fd, .events = POLLIN, .revents = 0};
  const int ready = ::poll(&wait, 1, static_cast<int>(most.count()));
  if (ready == 0 || (ready < 0 && errno == EINTR)) {
    return none_came();
  }
  std::string body(kMostMessageBytes, '\0');
  const ssize_t length = ::read(socket_fd, body.data(), body.size());
  if (length < 0) {
    switch (errno) {
      case ECONNRESET: return std::nullopt;
      case EINTR:
      case EAGAIN:
      case ENOMEM:
      case ENOBUFS: return none_came();
      default: return io_failure("receive a message", errno);
    }
  }
  if (length == 0) {
    return std::nullopt;
  }
  return Message{.kind = static_cast<MessageKind>(body[0]),
                 .text = body.substr(1, static_cast<std::size_t>(length) - 1)};
}

// "2 13 hook ...: refused\n<a verifier's log>"
std::string error_text(const Error& error) {
  constexpr std::size_t kMostDetailBytes = kMostMessageBytes / 2;
  const std::size_t cut = error.detail.size() - std::min(error.detail.size(), kMostDetailBytes);
  return fmt::format("{} {} {}\n{}", static_cast<int>(error.code), error.sys_errno, error.message,
                     error.detail.substr(cut));
}

Error error_of(const std::string& text) {
  char* rest = nullptr;
  const auto code = static_cast<Errc>(std::strtol(text.c_str(), &rest, 10));
  const auto error_number = static_cast<int>(std::strtol(rest, &rest, 10));
  const std::string words = *rest == ' ' ? rest + 1 : rest;
  const std::size_t end = std::min(words.find('\n'), words.size());
  return {.code = code,
          .message = words.substr(0, end),
          .detail = end < words.size() ? words.substr(end + 1) : "",
          .sys_errno = error_number};
}

}  // namespace xdpcap

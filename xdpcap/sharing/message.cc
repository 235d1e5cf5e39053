// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/sharing/message.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

#include "xdpcap/kernel/errors.h"

namespace xdpcap {
namespace {

constexpr std::size_t kMostMessageBytes = 65536;
constexpr std::size_t kMostDetailBytes = kMostMessageBytes / 2;

std::unexpected<Error> io_failure(const char* attempt) {
  return fail(Errc::Io, fmt::format("{}: {}", attempt, errno_text(errno)), errno);
}

// The kind, a byte that says whether it is an error and which, a text or "message\ndetail".
std::string encode(MessageKind kind, const Result<std::string>& text) {
  std::string bytes{static_cast<char>(kind), '\0'};
  if (text) {
    return bytes + *text;
  }
  const Error& error = text.error();
  bytes[1] = static_cast<char>(1 + static_cast<int>(error.code));
  return bytes + error.message + "\n" +
         error.detail.substr(error.detail.size() - std::min(error.detail.size(), kMostDetailBytes));
}

Message decode(const std::string& bytes) {
  const auto kind = static_cast<MessageKind>(bytes[0]);
  const char code = bytes.size() > 1 ? bytes[1] : '\0';
  const std::string text = bytes.substr(std::min<std::size_t>(bytes.size(), 2));
  if (code == 0) {
    return {.kind = kind, .text = text};
  }
  const std::size_t end = std::min(text.find('\n'), text.size());
  return {.kind = kind,
          .text = fail(static_cast<Errc>(code - 1), text.substr(0, end), 0,
                       text.substr(std::min(end + 1, text.size())))};
}

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> make_message_sockets() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
    return io_failure("make a pair of sockets");
  }
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

Result<void> send_message(int socket_fd, MessageKind kind, const Result<std::string>& text) {
  constexpr int kTries = 10;
  constexpr std::chrono::milliseconds kPause(1);
  std::string bytes = encode(kind, text);
  bytes.resize(std::min(bytes.size(), kMostMessageBytes));
  for (int i = 0; ::send(socket_fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0; ++i) {
    if (errno != EINTR && (i == kTries || (errno != ENOBUFS && errno != ENOMEM))) {
      return io_failure("send a message");
    }
    std::this_thread::sleep_for(kPause);
  }
  return {};
}

Result<std::optional<Message>> receive_message(int socket_fd, std::chrono::milliseconds most) {
  pollfd wait{.fd = socket_fd, .events = POLLIN, .revents = 0};
  std::string bytes(kMostMessageBytes, '\0');
  const int ready = ::poll(&wait, 1, static_cast<int>(most.count()));
  const ssize_t length = ready == 0 ? 0 : ::read(socket_fd, bytes.data(), bytes.size());
  if (length > 0) {
    bytes.resize(static_cast<std::size_t>(length));
    return decode(bytes);
  }
  if (ready != 0 && (length == 0 || errno == ECONNRESET)) {
    return std::nullopt;
  }
  const bool may_come =
      ready == 0 || errno == EINTR || errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS;
  return may_come ? fail(Errc::Busy, "wait for a message: none came in time")
                  : io_failure("receive a message");
}

}  // namespace xdpcap

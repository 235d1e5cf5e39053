// SPDX-License-Identifier: BSD-3-Clause

#include "guard/message.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "kernel/errors.h"

namespace xdpcap {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kControlBytes = CMSG_SPACE(sizeof(int) * kMostMessageDescriptors);

std::unexpected<Error> io_failure(const char* attempt, int error_number) {
  return fail(Errc::Io, fmt::format("{}: {}", attempt, errno_text(error_number)), error_number);
}

// Waits until there is something to read; false: not in time.
Result<bool> wait_readable(int fd, milliseconds most) {
  const auto deadline = steady_clock::now() + most;
  while (true) {
    const auto left =
        std::max(milliseconds(0), std::chrono::ceil<milliseconds>(deadline - steady_clock::now()));
    pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(left.count()));
    if (ready >= 0) {
      return ready > 0;
    }
    if (errno != EINTR) {
      return io_failure("wait for a message", errno);
    }
  }
}

std::vector<UniqueFd> take_descriptors(msghdr& header) {
  std::vector<UniqueFd> descriptors;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
      descriptors.emplace_back(fd);
    }
  }
  return descriptors;
}

std::vector<std::string> split_fields(std::string_view text) {
  std::vector<std::string> fields;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\0'), text.size());
    fields.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return fields;
}

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> make_message_sockets() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return io_failure("make a pair of sockets", errno);
  }
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

Result<void> send_message(int socket_fd, MessageKind kind, const std::vector<std::string>& fields,
                          const std::vector<int>& descriptors) {
  std::string text(1, static_cast<char>(kind));
  for (const std::string& field : fields) {
    const std::size_t room = kMostMessageBytes - std::min(kMostMessageBytes, text.size() + 1);
    text += field.substr(0, room) + '\0';
  }
  alignas(cmsghdr) std::array<char, kControlBytes> control{};
  iovec body{.iov_base = text.data(), .iov_len = std::min(text.size(), kMostMessageBytes)};
  msghdr header{};
  header.msg_iov = &body;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    const std::size_t bytes = sizeof(int) * std::min(descriptors.size(), kMostMessageDescriptors);
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* const part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(part), descriptors.data(), bytes);
  }
  while (::sendmsg(socket_fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) {
      return io_failure("send a message", errno);
    }
  }
  return {};
}

Result<std::optional<Message>> receive_message(int socket_fd, milliseconds most) {
  if (!TRY(wait_readable(socket_fd, most))) {
    return fail(Errc::Busy, "wait for a message: none came in time");
  }
  std::string text(kMostMessageBytes, '\0');
  alignas(cmsghdr) std::array<char, kControlBytes> control{};
  iovec body{.iov_base = text.data(), .iov_len = text.size()};
  msghdr header{};
  header.msg_iov = &body;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const ssize_t length = ::recvmsg(socket_fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (length < 0) {
    return io_failure("receive a message", errno);
  }
  std::vector<UniqueFd> descriptors = take_descriptors(header);
  if (length == 0) {
    return std::nullopt;
  }
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return fail(Errc::InvalidArgument, "receive a message: it is too long");
  }
  text.resize(static_cast<std::size_t>(length));
  return Message{.kind = static_cast<MessageKind>(text.front()),
                 .fields = split_fields(std::string_view(text).substr(1)),
                 .descriptors = std::move(descriptors)};
}

}  // namespace xdpcap

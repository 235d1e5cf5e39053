// SPDX-License-Identifier: BSD-3-Clause

#include "cli/text_server.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "kernel/unique_fd.h"

namespace xdpcap::cli {
namespace {

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Result;

std::unexpected<cbpfc::Error> failure(std::string_view attempt, const std::string& path,
                                      int error_number) {
  return fail(Errc::Io, fmt::format("{} {}: {}", attempt, path, std::strerror(error_number)),
              error_number);
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return fail(Errc::InvalidArgument,
                fmt::format("listen at {}: a socket's path has 1 to {} bytes", path,
                            sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

UniqueFd make_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

/// Takes away a socket whose server has died.
Result<void> clear_place(const std::string& path, const sockaddr_un& address) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    return {};  // nothing there, or bind() says what is wrong
  }
  if (!S_ISSOCK(status.st_mode)) {
    return fail(Errc::Busy,
                fmt::format("listen at {}: there is something that is no socket; choose "
                            "another path, or remove it",
                            path));
  }
  const UniqueFd probe = make_socket();
  if (::connect(probe.get(), generic(address), sizeof(address)) == 0) {
    return fail(Errc::Busy,
                fmt::format("listen at {}: another program does; choose another path", path));
  }
  if (errno == ECONNREFUSED && ::unlink(path.c_str()) != 0) {
    return failure("take the place of the dead server at", path, errno);
  }
  return {};
}

void send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return;  // gone, or not reading
    }
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void answer(int fd, const std::string& text) {
  constexpr timeval kPatience{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
  std::array<char, 1024> request{};
  const ssize_t received = ::recv(fd, request.data(), request.size(), 0);
  const std::string_view asked(request.data(),
                               static_cast<std::size_t>(std::max<ssize_t>(0, received)));
  if (asked.starts_with("GET ")) {
    send_all(fd, fmt::format("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
                             "Content-Length: {}\r\nConnection: close\r\n\r\n",
                             text.size()));
  }
  send_all(fd, text);
}

}  // namespace

class TextServer::Service {
 public:
  Service(UniqueFd socket, std::string path)
      : socket_(std::move(socket)),
        path_(std::move(path)),
        end_(::eventfd(0, EFD_CLOEXEC)),
        thread_([this] { run(); }) {}
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service() {
    ::eventfd_write(end_.get(), 1);
    thread_.join();
    ::unlink(path_.c_str());
  }

  void set_text(std::string text) {
    const std::lock_guard lock(mutex_);
    text_ = std::move(text);
  }

 private:
  void run() {
    while (true) {
      std::array<pollfd, 2> waits{{{.fd = end_.get(), .events = POLLIN, .revents = 0},
                                   {.fd = socket_.get(), .events = POLLIN, .revents = 0}}};
      if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) {
        return;
      }
      if (waits[0].revents != 0) {
        return;
      }
      const UniqueFd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (client.is_open()) {
        answer(client.get(), text());
      }
    }
  }

  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

  UniqueFd socket_;
  std::string path_;
  UniqueFd end_;
  std::mutex mutex_;
  std::string text_;
  std::thread thread_;  // last: it uses the others
};

TextServer::TextServer(std::unique_ptr<Service> service) : service_(std::move(service)) {}
TextServer::TextServer(TextServer&&) noexcept = default;
TextServer::~TextServer() = default;

Result<TextServer> TextServer::listen(const std::string& path) {
  const sockaddr_un address = TRY(address_of(path));
  UniqueFd socket = make_socket();
  if (!socket.is_open()) {
    return failure("make a socket for", path, errno);
  }
  TRY(clear_place(path, address));
  if (::bind(socket.get(), generic(address), sizeof(address)) != 0) {
    return failure("listen at", path, errno);
  }
  constexpr int kBacklog = 8;
  if (::listen(socket.get(), kBacklog) != 0) {
    const int error_number = errno;
    ::unlink(path.c_str());
    return failure("listen at", path, error_number);
  }
  return TextServer(std::make_unique<Service>(std::move(socket), path));
}

void TextServer::set_text(std::string text) {
  service_->set_text(std::move(text));
}

}  // namespace xdpcap::cli

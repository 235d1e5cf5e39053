// SPDX-License-Identifier: BSD-3-Clause

#include "cli/text_server.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "cli/start_thread.h"
#include "cli/stop_event.h"
#include "kernel/socket_address.h"
#include "kernel/unique_fd.h"

namespace xdpcap::cli {
namespace {

/// For a client to ask, and again to read.
constexpr std::chrono::seconds kPatience{1};

using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::Result;

std::unexpected<cbpfc::Error> failure(std::string_view attempt, const std::string& path,
                                      int error_number) {
  return fail(Errc::Io, fmt::format("{} {}: {}", attempt, path, std::strerror(error_number)),
              error_number);
}

Result<sockaddr_un> listening_address(const std::string& path) {
  const std::optional<sockaddr_un> address = socket_address(path);
  if (!address) {
    return fail(Errc::InvalidArgument,
                fmt::format("listen at {}: a socket's path has 1 to {} bytes", path,
                            sizeof(sockaddr_un::sun_path) - 1));
  }
  return *address;
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

}  // namespace

class TextServer::Service {
 public:
  Service(UniqueFd socket, std::string path, StopEvent end)
      : socket_(std::move(socket)), path_(std::move(path)), end_(std::move(end)) {}
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service() {
    if (thread_.joinable()) {
      end_.stop();
      thread_.join();
    }
    ::unlink(path_.c_str());
  }

  Result<void> start() {
    thread_ = TRY(start_thread("answer at " + path_, [this] { run(); }));
    return {};
  }

  void set_text(std::string text) {
    const std::lock_guard lock(mutex_);
    text_ = std::move(text);
  }

 private:
  using Clock = std::chrono::steady_clock;

  void run() {
    constexpr std::chrono::milliseconds kForEver{-1};
    while (end_.wait(socket_.get(), POLLIN, kForEver) == StopEvent::Woken::Ready) {
      const UniqueFd client(
          ::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (client.is_open()) {
        answer(client.get());
      }
    }
  }

  void answer(int client) {
    std::array<char, 1024> request{};
    ssize_t received = 0;
    if (is_ready(client, POLLIN, Clock::now() + kPatience)) {
      received = ::recv(client, request.data(), request.size(), 0);
    }
    const std::string_view asked(request.data(),
                                 static_cast<std::size_t>(std::max<ssize_t>(0, received)));
    const std::string text = this->text();
    std::string answer;
    if (asked.starts_with("GET ")) {
      answer = fmt::format(
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
          "Content-Length: {}\r\nConnection: close\r\n\r\n",
          text.size());
    }
    send(client, answer + text, Clock::now() + kPatience);
  }

  /// As much as the client takes in time.
  void send(int client, std::string_view text, Clock::time_point until) const {
    while (!text.empty() && is_ready(client, POLLOUT, until)) {
      const ssize_t sent = ::send(client, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return;  // gone
      }
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  bool is_ready(int client, short events, Clock::time_point until) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    return end_.wait(client, events, std::max(left, std::chrono::milliseconds(0))) ==
           StopEvent::Woken::Ready;
  }

  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

  UniqueFd socket_;
  std::string path_;
  StopEvent end_;
  std::mutex mutex_;
  std::string text_;
  std::thread thread_;
};

TextServer::TextServer(std::unique_ptr<Service> service) : service_(std::move(service)) {}
TextServer::TextServer(TextServer&&) noexcept = default;
TextServer::~TextServer() = default;

Result<TextServer> TextServer::listen(const std::string& path) {
  const sockaddr_un address = TRY(listening_address(path));
  UniqueFd socket = make_socket();
  if (!socket.is_open()) {
    return failure("make a socket for", path, errno);
  }
  StopEvent end = TRY(StopEvent::create());
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
  auto service = std::make_unique<Service>(std::move(socket), path, std::move(end));
  TRY(service->start());
  return TextServer(std::move(service));
}

void TextServer::set_text(std::string text) {
  service_->set_text(std::move(text));
}

}  // namespace xdpcap::cli

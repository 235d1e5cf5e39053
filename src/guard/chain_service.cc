// SPDX-License-Identifier: BSD-3-Clause

#include "guard/chain_service.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <optional>
#include <vector>

#include "guard/message.h"
#include "kernel/errors.h"
#include "kernel/map.h"
#include "kernel/random.h"
#include "kernel/socket_address.h"

namespace xdpcap {
namespace {

constexpr std::string_view kSuffix = ".sock";
constexpr const char* kUnreadySuffix = "-";

Result<std::string> prefix_of(const Hook& hook) {
  return fmt::format("{}.", TRY(map_info(hook.fd())).id);
}

UniqueFd make_socket(int flags) {
  return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0));
}

// Connects, or removes the socket of a guardian that was killed.
UniqueFd connect_or_remove(const std::string& path) {
  const std::optional<sockaddr_un> address = socket_address(path);
  UniqueFd fd = make_socket(SOCK_NONBLOCK);
  if (address &&
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) == 0) {
    return fd;
  }
  if (address && errno == ECONNREFUSED) {
    ::unlink(path.c_str());
  }
  return {};
}

// Those in the directory whose names start so.
std::vector<std::string> sockets_in(const std::string& directory, const std::string& prefix) {
  std::vector<std::string> paths;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    if (file.starts_with(prefix) && file.ends_with(kSuffix)) {
      paths.push_back(entry->path().string());
    }
  }
  return paths;
}

void remove_dead_sockets(const std::string& directory) {
  for (const std::string& path : sockets_in(directory, "")) {
    connect_or_remove(path);
  }
}

// For this user only.  0 or an errno.
int bind_socket(int fd, const sockaddr_un& address) {
  const mode_t old_mask = ::umask(0177);
  const bool is_bound =
      ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  const int error_number = is_bound ? 0 : errno;
  ::umask(old_mask);
  return error_number;
}

// Binds to another name first: under its own the socket is there only once it listens.  0 or an errno.
int listen_at(int fd, const sockaddr_un& unready, const std::string& path) {
  constexpr int kBacklog = 16;
  if (const int error_number = bind_socket(fd, unready); error_number != 0) {
    return error_number;
  }
  if (::listen(fd, kBacklog) == 0 && ::rename(unready.sun_path, path.c_str()) == 0) {
    return 0;
  }
  const int error_number = errno;
  ::unlink(unready.sun_path);
  return error_number;
}

std::optional<ChainParts> ask_one(const std::string& path) {
  constexpr std::chrono::milliseconds kPatience(500);
  const UniqueFd fd = connect_or_remove(path);
  if (!fd.is_open()) {
    return std::nullopt;
  }
  Result<std::optional<Message>> message = receive_message(fd.get(), kPatience);
  if (!message || !*message || (*message)->kind != MessageKind::Parts ||
      (*message)->descriptors.size() < 2) {
    return std::nullopt;
  }
  return parts_from(std::move((*message)->descriptors));
}

}  // namespace

Result<ChainService> ChainService::listen(const std::string& directory, const Hook& hook) {
  const std::string name =
      fmt::format("{}{}{}", TRY(prefix_of(hook)), TRY(random_digits()), kSuffix);
  const std::string path = directory + "/" + name;
  const std::optional<sockaddr_un> unready = socket_address(path + kUnreadySuffix);
  if (!unready) {
    return fail(Errc::InvalidArgument, fmt::format("listen at {}: the path is too long", path));
  }
  remove_dead_sockets(directory);
  UniqueFd place(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  UniqueFd fd = place.is_open() ? make_socket(SOCK_NONBLOCK) : UniqueFd();
  int error_number = fd.is_open() ? 0 : errno;
  if (error_number == 0) {
    error_number = listen_at(fd.get(), *unready, path);
  }
  if (error_number != 0) {
    return fail(Errc::Io, fmt::format("listen at {}: {}", path, errno_text(error_number)),
                error_number);
  }
  return ChainService(std::move(fd), std::move(place), name);
}

ChainService::~ChainService() {
  if (fd_.is_open()) {
    ::unlinkat(directory_.get(), name_.c_str(), 0);
  }
}

void ChainService::answer(const Chain& chain) const {
  const UniqueFd client(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client.is_open()) {
    return;
  }
  // Whoever does not take it at once gets nothing.
  static_cast<void>(send_message(client.get(), MessageKind::Parts, {}, chain.descriptors()));
}

std::optional<ChainParts> ask_for_chain(const std::string& directory, const Hook& hook) {
  const Result<std::string> prefix = prefix_of(hook);
  if (!prefix) {
    return std::nullopt;
  }
  for (const std::string& path : sockets_in(directory, *prefix)) {
    if (std::optional<ChainParts> parts = ask_one(path)) {
      return parts;
    }
  }
  return std::nullopt;
}

}  // namespace xdpcap

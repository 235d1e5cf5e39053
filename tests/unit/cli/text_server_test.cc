// SPDX-License-Identifier: BSD-3-Clause

#include "cli/text_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <fstream>

#include "kernel/unique_fd.h"
#include "support/temporary_directory.h"

namespace xdpcap::cli {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

/// Everything the server says to `request`.
std::string ask(const std::string& path, std::string_view request) {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
            0)
      << std::strerror(errno);
  EXPECT_EQ(::write(socket.get(), request.data(), request.size()),
            static_cast<ssize_t>(request.size()));
  ::shutdown(socket.get(), SHUT_WR);
  std::string answer;
  std::array<char, 4096> piece{};
  ssize_t received = 0;
  while ((received = ::read(socket.get(), piece.data(), piece.size())) > 0) {
    answer.append(piece.data(), static_cast<std::size_t>(received));
  }
  return answer;
}

bool exists(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

TEST(TextServer, AnswersHttpAndSilence) {
  const test::TemporaryDirectory directory;
  const std::string path = directory.path("metrics");
  {
    auto server = TextServer::listen(path);
    ASSERT_TRUE(server) << server.error().message;
    EXPECT_EQ(ask(path, ""), "");
    server->set_text("a 1\n");
    EXPECT_EQ(ask(path, ""), "a 1\n");
    EXPECT_EQ(ask(path, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: 4\r\n"
              "Connection: close\r\n\r\na 1\n");
    server->set_text(std::string(1'000'000, 'x'));
    EXPECT_EQ(ask(path, "anything"), std::string(1'000'000, 'x'));
  }
  EXPECT_FALSE(exists(path));
}

TEST(TextServer, AClientThatDoesNothingHoldsNobodyUpForLong) {
  const test::TemporaryDirectory directory;
  const std::string path = directory.path("metrics");
  auto server = TextServer::listen(path);
  ASSERT_TRUE(server) << server.error().message;
  server->set_text("here\n");
  const UniqueFd idle(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  ASSERT_EQ(::connect(idle.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(ask(path, ""), "here\n");
}

TEST(TextServer, EndsWhileAClientReadsNothing) {
  const test::TemporaryDirectory directory;
  const std::string path = directory.path("metrics");
  const UniqueFd stuck(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  auto start = std::chrono::steady_clock::now();
  {
    auto server = TextServer::listen(path);
    ASSERT_TRUE(server) << server.error().message;
    server->set_text(std::string(10'000'000, 'x'));
    ASSERT_EQ(::connect(stuck.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    ASSERT_EQ(::write(stuck.get(), "GET ", 4), 4);
    char first = 0;
    ASSERT_EQ(::read(stuck.get(), &first, 1), 1);  // it is answering
    start = std::chrono::steady_clock::now();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(500));
}

TEST(TextServer, TakesOverFromADeadServerOnly) {
  const test::TemporaryDirectory directory;
  const std::string path = directory.path("metrics");
  {
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(path);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ASSERT_TRUE(exists(path));
  const auto server = TextServer::listen(path);
  ASSERT_TRUE(server) << server.error().message;
  const auto second = TextServer::listen(path);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, cbpfc::Errc::Busy);
  EXPECT_EQ(ask(path, ""), "");
}

TEST(TextServer, RefusesPlacesThatAreNone) {
  const test::TemporaryDirectory directory;
  const std::string file = directory.path("file");
  std::ofstream(file) << "kept";
  const auto taken = TextServer::listen(file);
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().message.find("no socket"), std::string::npos) << taken.error().message;
  EXPECT_TRUE(exists(file));
  EXPECT_FALSE(TextServer::listen(directory.path("missing/metrics")));
  EXPECT_FALSE(TextServer::listen(directory.path(std::string(200, 'x'))));
}

}  // namespace
}  // namespace xdpcap::cli

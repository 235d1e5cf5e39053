// SPDX-License-Identifier: BSD-3-Clause
//
// There is no directory of sockets and locks whose owner could keep captures waiting, answer for others, or have files deleted.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <xdpcap/kernel/map.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <regex>

#include "xdpcap/tests/kernel/attacks/attack_test.h"
#include "xdpcap/tests/kernel/resource_faults/ordinary_user.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;

constexpr const char* kOldDirectory = "/run/xdpcap";

class NoRunDirectory : public AttackTest {};

TEST_F(NoRunDirectory, TheOptionIsGone) {
  const Outcome outcome = run(xdpcap_command({"-run-dir", stage().file("run"), "-detach", hook()}));
  constexpr int kUsage = 2;
  EXPECT_EQ(outcome.end.exit_code, kUsage);
  EXPECT_THAT(outcome.errors, HasSubstr("-run-dir"));
  EXPECT_FALSE(std::filesystem::exists(stage().file("run")));
  EXPECT_EQ(run(xdpcap_command({"--help"})).output.find("run-dir"), std::string::npos);
}

// Whether a system call, as strace prints it, makes, removes or renames something in a file system, or talks to others by name.
bool changes_names(const std::string& call) {
  if (call.find(" resumed>") != std::string::npos) {
    return false;  // its start has the names
  }
  for (const char* name : {"mkdir", "unlink", "rename", " link(", " linkat(", "symlink", "mknod",
                           "bind(", "connect(", "chmod(", "chown(", "truncate("}) {
    if (call.find(name) != std::string::npos) {
      return true;
    }
  }
  return call.find("O_CREAT") != std::string::npos || call.find("O_TRUNC") != std::string::npos;
}

TEST_F(NoRunDirectory, NothingIsMadeButTheOutputAndTheSharedDirectory) {
  // Relative to the directory that captures share.
  static const std::regex kBelow("\"(programs|state|foreign-[0-9]+|[0-7](/([0-9]+|counters))?)\"");
  start_traffic();
  const std::string trace = stage().file("trace");
  std::vector<std::string> command = {
      "strace", "-f", "-qq", "-s", "4096", "-e", "trace=%file,%network", "-o", trace};
  const std::vector<std::string> captured = some_packets();
  command.insert(command.end(), captured.begin(), captured.end());
  expect_captures(command);
  std::ifstream file(trace);
  std::size_t calls = 0;
  for (std::string call; std::getline(file, call); ++calls) {
    const bool is_known = call.find("some.pcapng\"") != std::string::npos ||
                          call.find(shared_directory()) != std::string::npos ||
                          call.find("AF_NETLINK") != std::string::npos;
    EXPECT_TRUE(!changes_names(call) || is_known || std::regex_search(call, kBelow)) << call;
  }
  EXPECT_GT(calls, 10U);
}

/// A socket as guardians of earlier versions had them, which accepts and says nothing.
class SilentSocket {
 public:
  explicit SilentSocket(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(fd_.get(), 1), 0);
  }

 private:
  UniqueFd fd_;
};

TEST_F(NoRunDirectory, SilentSocketsDelayNobodyAndOtherFilesStay) {
  constexpr int kSockets = 40;
  const bool was_there = std::filesystem::exists(kOldDirectory);
  std::filesystem::create_directories(kOldDirectory);
  std::vector<std::string> paths;
  std::vector<std::unique_ptr<SilentSocket>> sockets;
  for (int i = 0; i < kSockets; ++i) {
    paths.push_back(fmt::format("{}/{}.{:016x}.sock", kOldDirectory, map_info(hook_fd())->id, i));
    sockets.push_back(std::make_unique<SilentSocket>(paths.back()));
  }
  paths.push_back(fmt::format("{}/database.sock", kOldDirectory));
  std::ofstream(paths.back()) << "a file";
  start_traffic();
  const auto before = std::chrono::steady_clock::now();
  expect_captures(without_capabilities("sys_admin", some_packets()));
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(3) * patience());
  for (const std::string& path : paths) {
    EXPECT_TRUE(std::filesystem::exists(path)) << path;
    std::filesystem::remove(path);
  }
  if (!was_there) {
    std::filesystem::remove_all(kOldDirectory);
  }
}

}  // namespace
}  // namespace xdpcap::test

// SPDX-License-Identifier: BSD-3-Clause
//
// A guardian that was taken over, by what its capture tells it, say: it may change the hook, as it has to; it opens no file, and changes
// nothing on other file systems.

#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "xdpcap/privilege/system_calls.h"
#include "xdpcap/tests/kernel/attacks/attack_test.h"
#include "xdpcap/tests/kernel/attacks/tracee.h"

namespace xdpcap::test {
namespace {

class GuardianTakenOver : public AttackTest {};

std::string seccomp_mode(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("Seccomp:\t")) {
      return line.substr(9);
    }
  }
  return "";
}

struct Attempt {
  const char* name;
  long number;
  Tracee::Arguments arguments;
  bool is_landlocks = false;  ///< refused where the kernel has Landlock
};

TEST_F(GuardianTakenOver, OpensNoFileAndChangesNothingElsewhere) {
  if (!kCanTakeOver || kIsSanitized) {
    GTEST_SKIP() << "processes are taken over on x86-64 only; a sanitizer's runtime opens files";
  }
  const bool has_landlock =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 0;
  const std::string victim = stage().file("victim");
  std::ofstream(victim) << "text";
  std::filesystem::create_directory(stage().file("empty"));
  Watched capture(stage());
  start_traffic();
  const pid_t guardian = capture.guardian();
  ASSERT_TRUE(becomes_true([&] { return seccomp_mode(guardian) == "2"; }));
  {
    Tracee tracee(guardian);
    const std::uint64_t passwd = tracee.put("/etc/passwd");
    const std::uint64_t etc = tracee.put("/etc");
    const std::uint64_t memory = tracee.put("/proc/self/mem");
    const std::uint64_t file = tracee.put(victim);
    const std::uint64_t empty = tracee.put(stage().file("empty"));
    const std::uint64_t other = tracee.put(stage().file("new"));
    const std::uint64_t room = tracee.put(std::string(256, '\0'));
    constexpr auto kHere = static_cast<std::uint64_t>(AT_FDCWD);
    const Attempt attempts[] = {
        {"read a file", SYS_openat, {kHere, passwd, O_RDONLY}},
        {"read a file by open(2)", SYS_open, {passwd, O_RDONLY}},
        {"write its own memory", SYS_openat, {kHere, memory, O_RDWR}},
        {"read its own memory", SYS_openat, {kHere, memory, O_RDONLY}},
        {"write to a file", SYS_openat, {kHere, file, O_WRONLY}},
        {"empty a file", SYS_openat, {kHere, file, O_RDONLY | O_TRUNC}},
        {"create a file", SYS_openat, {kHere, other, O_WRONLY | O_CREAT | O_EXCL, 0600}},
        {"create a file without a name", SYS_openat, {kHere, empty, O_RDWR | O_TMPFILE, 0600}},
        {"list a directory", SYS_openat, {kHere, etc, O_RDONLY | O_DIRECTORY}, true},
        {"remove a file", SYS_unlinkat, {kHere, file, 0}, true},
        {"remove a file by unlink(2)", SYS_unlink, {file}, true},
        {"remove a directory", SYS_rmdir, {empty}, true},
        {"make a directory", SYS_mkdirat, {kHere, other, 0700}, true},
        {"rename a file", SYS_renameat2, {kHere, file, kHere, other, 0}},
        {"link a file", SYS_linkat, {kHere, file, kHere, other, 0}},
        {"make a symbolic link", SYS_symlinkat, {passwd, kHere, other}},
        {"status of a file", SYS_newfstatat, {kHere, passwd, room, AT_EMPTY_PATH}},
        {"more status of a file", SYS_statx, {kHere, passwd, 0, STATX_MODE, room}},
        {"access to a file", SYS_faccessat, {kHere, passwd, F_OK}},
        {"mode of a file", SYS_fchmodat, {kHere, file, 0666}},
        {"owner of a file", SYS_fchownat, {kHere, file, 65534, 65534, 0}},
        {"another root", SYS_chroot, {etc}},
        {"a network socket", SYS_socket, {AF_INET, SOCK_STREAM, 0}},
        {"a Unix socket", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}},
        {"kill its capture", SYS_kill, {static_cast<std::uint64_t>(capture.pid()), SIGKILL}},
        {"another user", SYS_setresuid, {65534, 65534, 65534}},
        {"a new process", SYS_clone, {SIGCHLD, 0, 0, 0, 0}},
        {"perf events", SYS_perf_event_open, {0, 0, static_cast<std::uint64_t>(-1), 0, 0}},
    };
    for (const Attempt& attempt : attempts) {
      if (attempt.is_landlocks && !has_landlock) {
        continue;
      }
      EXPECT_LT(tracee.call(attempt.number, attempt.arguments).value_or(0), 0) << attempt.name;
    }
  }
  EXPECT_TRUE(std::filesystem::exists(victim));
  EXPECT_TRUE(std::filesystem::exists(stage().file("empty")));
  EXPECT_FALSE(std::filesystem::exists(stage().file("new")));
  traffic().await_more(1'000);
  capture.expect_saw(stop_traffic());
}

}  // namespace
}  // namespace xdpcap::test

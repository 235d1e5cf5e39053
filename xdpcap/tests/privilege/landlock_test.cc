// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/privilege/landlock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

#include "base/testing/temporary_directory.h"
#include "xdpcap/tests/privilege/child.h"

namespace xdpcap {
namespace {

using test::in_child;
using test::outcome;

long landlock_version() {
  return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

class Landlock : public testing::Test {
 protected:
  void SetUp() override {
    if (landlock_version() < 0) {
      GTEST_SKIP() << "this kernel has no Landlock; it has with CONFIG_SECURITY_LANDLOCK";
    }
    for (const auto* directory : {&read_, &replaced_, &other_}) {
      std::ofstream(directory->path("file")) << "text";
    }
  }

  /// What `body` says in a process that may read files of one directory, and replace files of another.
  template <typename Body>
  std::string restricted(Body body) const {
    return in_child([&]() -> std::string {
      const int read = ::open(read_.path("").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
      const int replaced = ::open(replaced_.path("").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
      const AllowedPath allowed[] = {{.fd = read, .right = PathRight::ReadFiles},
                                     {.fd = replaced, .right = PathRight::ReplaceFiles}};
      const Result<bool> is_restricted = restrict_paths(allowed);
      if (!is_restricted) {
        return is_restricted.error().message;
      }
      return *is_restricted ? outcome(body(read, replaced)) : "not restricted";
    });
  }

  test::TemporaryDirectory read_;
  test::TemporaryDirectory replaced_;
  test::TemporaryDirectory other_;
};

bool opens(int directory, const std::string& path, int flags) {
  return ::openat(directory, path.c_str(), flags | O_CLOEXEC, 0600) >= 0;
}

TEST_F(Landlock, LeavesWhatIsNamed) {
  EXPECT_EQ(restricted([](int read, int) { return opens(read, "file", O_RDONLY); }), "yes");
  EXPECT_EQ(restricted([&](int, int) { return opens(AT_FDCWD, read_.path("file"), O_RDONLY); }),
            "yes");
  EXPECT_EQ(restricted([](int, int replaced) {
              return opens(replaced, "new", O_WRONLY | O_CREAT | O_EXCL) &&
                     ::renameat(replaced, "new", replaced, "file") == 0 &&
                     ::unlinkat(replaced, "file", 0) == 0;
            }),
            "yes");
  std::ofstream(replaced_.path("over")) << "text";
  EXPECT_EQ(restricted([](int, int replaced) {
              const int over = ::openat(replaced, "over", O_WRONLY | O_CLOEXEC);
              return ::ftruncate(over, 0) == 0 && ::write(over, "new", 3) == 3;
            }),
            "yes");
}

TEST_F(Landlock, RefusesAllElse) {
  const std::string elsewhere = other_.path("file");
  const std::string link = read_.path("link");
  ASSERT_EQ(::symlink(elsewhere.c_str(), link.c_str()), 0);
  const struct {
    const char* what;
    std::string said;
  } cases[] = {
      {"read elsewhere",
       restricted([&](int, int) { return opens(AT_FDCWD, elsewhere, O_RDONLY); })},
      {"read elsewhere, from a directory",
       restricted([&](int read, int) { return opens(read, elsewhere, O_RDONLY); })},
      {"follow a link", restricted([](int read, int) { return opens(read, "link", O_RDONLY); })},
      {"passwords", restricted([](int read, int) { return opens(read, "/etc/shadow", O_RDONLY); })},
      {"its own memory",
       restricted([](int, int) { return opens(AT_FDCWD, "/proc/self/mem", O_RDWR); })},
      {"write what may be read",
       restricted([](int read, int) { return opens(read, "file", O_WRONLY); })},
      {"create there",
       restricted([](int read, int) { return opens(read, "new", O_WRONLY | O_CREAT); })},
      {"remove there", restricted([](int read, int) { return ::unlinkat(read, "file", 0) == 0; })},
      {"read what may be replaced",
       restricted([](int, int replaced) { return opens(replaced, "file", O_RDONLY); })},
      {"list", restricted([](int, int replaced) { return opens(replaced, ".", O_RDONLY); })},
      {"make a directory",
       restricted([](int, int replaced) { return ::mkdirat(replaced, "new", 0700) == 0; })},
      {"make a link",
       restricted([](int, int replaced) { return ::symlinkat("/", replaced, "new") == 0; })},
      {"make a pipe",
       restricted([](int, int replaced) { return ::mkfifoat(replaced, "new", 0600) == 0; })},
      {"create elsewhere", restricted([&](int, int) {
         return opens(AT_FDCWD, other_.path("new"), O_WRONLY | O_CREAT);
       })},
      {"take from elsewhere", restricted([&](int, int replaced) {
         return ::renameat(AT_FDCWD, elsewhere.c_str(), replaced, "new") == 0;
       })},
      {"remove elsewhere", restricted([&](int, int) { return ::unlink(elsewhere.c_str()) == 0; })},
      {"program", restricted([](int, int) {
         char name[] = "/bin/true";
         char* arguments[] = {name, nullptr};
         return ::execv(name, arguments) == 0;
       })},
      {"in a thread", restricted([&](int, int) {
         int error = 0;
         std::thread([&] { error = opens(AT_FDCWD, elsewhere, O_RDONLY) ? 0 : errno; }).join();
         errno = error;
         return error == 0;
       })},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(one.said, "EACCES") << one.what;
  }
}

TEST_F(Landlock, LeavesDirectoriesAndPins) {
  EXPECT_EQ(in_child([&]() -> std::string {
              const int fd = ::open(other_.path("").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
              const AllowedPath allowed[] = {{.fd = fd, .right = PathRight::Pin}};
              if (!restrict_paths(allowed).value_or(false)) {
                return "not restricted";
              }
              const std::string made = outcome(
                  ::mkdirat(fd, "new", 0700) == 0 && opens(fd, "new", O_RDONLY | O_DIRECTORY) &&
                  ::mknodat(fd, "new/pin", S_IFREG | 0600, 0) == 0 &&
                  ::unlinkat(fd, "new/pin", 0) == 0 && ::unlinkat(fd, "new", AT_REMOVEDIR) == 0);
              const std::string read = outcome(opens(fd, "file", O_RDONLY));
              const std::string elsewhere = outcome(::unlink(read_.path("file").c_str()) == 0);
              return fmt::format("{}, read {}, elsewhere {}", made, read, elsewhere);
            }),
            "yes, read EACCES, elsewhere EACCES");
}

TEST_F(Landlock, RefusesTheNetworkAndOtherProcesses) {
  if (landlock_version() >= 4) {
    EXPECT_EQ(restricted([](int, int) {
                sockaddr_in any{};
                any.sin_family = AF_INET;
                const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                return ::bind(socket, reinterpret_cast<const sockaddr*>(&any), sizeof(any)) == 0;
              }),
              "EACCES");
  }
  if (landlock_version() >= 6) {
    EXPECT_EQ(restricted([](int, int) { return ::kill(::getppid(), 0) == 0; }), "EPERM");
  }
}

TEST_F(Landlock, WhatIsOpenStaysOpen) {
  const int file = ::open(other_.path("file").c_str(), O_RDWR | O_CLOEXEC);
  EXPECT_EQ(restricted([&](int, int) {
              return ::write(file, "more", 4) == 4 && ::ftruncate(file, 1) == 0 &&
                     ::fsync(file) == 0;
            }),
            "yes");
  ::close(file);
}

TEST_F(Landlock, RefusesARuleForNothing) {
  EXPECT_EQ(
      in_child([] {
        const AllowedPath allowed[] = {{.fd = -1}};
        return restrict_paths(allowed).error().message;
      }),
      "restrict the files that this process can reach (Landlock): add a rule: Bad file descriptor");
}

/// Landlock's first system call fails from here on, as in a kernel without it.
bool take_landlock_away(unsigned error) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = 4, .filter = code};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(LandlockThatIsMissing, IsNoError) {
  // Not built; not switched on; not known to a container.
  for (const int error : {ENOSYS, EOPNOTSUPP, EPERM}) {
    EXPECT_EQ(in_child([&]() -> std::string {
                if (!take_landlock_away(static_cast<unsigned>(error))) {
                  return "no filter";
                }
                const Result<bool> is_restricted = restrict_paths({});
                return is_restricted ? fmt::format("{}", *is_restricted)
                                     : is_restricted.error().message;
              }),
              "false");
  }
}

}  // namespace
}  // namespace xdpcap

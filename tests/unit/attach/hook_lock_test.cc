// SPDX-License-Identifier: BSD-3-Clause
//
// Turns are of processes, so the others are child processes here.

#include "attach/hook_lock.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "support/temporary_directory.h"

namespace xdpcap {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

/// A process that has a turn until it is killed or the object goes.
class Holder {
 public:
  explicit Holder(const std::string& directory) {
    int ends[2] = {};
    EXPECT_EQ(::pipe(ends), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const HookLock lock = HookLock::open(directory).value();
      const HookLock::Turn turn = lock.take();
      static_cast<void>(::write(ends[1], turn.is_granted() ? "y" : "n", 1));
      while (true) {
        ::pause();
      }
    }
    char granted = 0;
    EXPECT_EQ(::read(ends[0], &granted, 1), 1);
    EXPECT_EQ(granted, 'y');
    ::close(ends[0]);
    ::close(ends[1]);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() { kill(); }
  void kill() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(std::exchange(pid_, -1), nullptr, 0);
    }
  }

 private:
  pid_t pid_ = -1;
};

TEST(HookLock, ProcessesTakeTurns) {
  constexpr int kProcesses = 3;
  constexpr int kRounds = 20;
  const xdpcap::test::TemporaryDirectory directory;
  const std::string count = directory.path("count");
  std::ofstream(count) << 0;
  for (int i = 0; i < kProcesses; ++i) {
    if (::fork() == 0) {
      const HookLock lock = HookLock::open(directory.path("run")).value();
      for (int round = 0; round < kRounds; ++round) {
        const HookLock::Turn turn = lock.take();
        // Without turns others would write between these.
        int number = 0;
        std::ifstream(count) >> number;
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        std::ofstream(count) << number + (turn.is_granted() ? 1 : 1000);
      }
      ::_exit(0);
    }
  }
  while (::wait(nullptr) > 0) {
  }
  int number = 0;
  std::ifstream(count) >> number;
  EXPECT_EQ(number, kProcesses * kRounds);
}

TEST(HookLock, TheTurnOfAKilledProcessEnds) {
  const xdpcap::test::TemporaryDirectory directory;
  const HookLock lock = HookLock::open(directory.path("run")).value();
  Holder holder(directory.path("run"));
  std::thread killing([&] {
    std::this_thread::sleep_for(milliseconds(100));
    holder.kill();
  });
  const auto before = steady_clock::now();
  EXPECT_TRUE(lock.take().is_granted());
  EXPECT_GE(steady_clock::now() - before, milliseconds(90));
  EXPECT_LT(steady_clock::now() - before, milliseconds(1'000));
  killing.join();
}

TEST(HookLock, NobodyWaitsForEver) {
  const xdpcap::test::TemporaryDirectory directory;
  const HookLock lock = HookLock::open(directory.path("run")).value();
  std::optional<Holder> holder(std::in_place, directory.path("run"));
  const auto before = steady_clock::now();
  EXPECT_FALSE(lock.take().is_granted());
  EXPECT_GE(steady_clock::now() - before, milliseconds(1'900));
  EXPECT_LT(steady_clock::now() - before, milliseconds(4'000));
  holder.reset();
  EXPECT_TRUE(lock.take().is_granted());
}

TEST(HookLock, ATurnLastsAsLongAsItsObject) {
  const xdpcap::test::TemporaryDirectory directory;
  const HookLock lock = HookLock::open(directory.path("run")).value();
  const UniqueFd other(::open(directory.path("run/lock").c_str(), O_RDONLY | O_CLOEXEC));
  const auto is_free = [&] {
    const bool taken = ::flock(other.get(), LOCK_EX | LOCK_NB) == 0;
    ::flock(other.get(), LOCK_UN);
    return taken;
  };
  {
    HookLock::Turn first = lock.take();
    const HookLock::Turn moved = std::move(first);
    EXPECT_FALSE(is_free());
  }
  EXPECT_TRUE(is_free());
}

TEST(HookLock, WithoutOneNoTurnIsGranted) {
  const auto before = steady_clock::now();
  EXPECT_FALSE(HookLock().take().is_granted());
  EXPECT_LT(steady_clock::now() - before, milliseconds(500));
}

TEST(HookLock, MakesAMissingDirectory) {
  const xdpcap::test::TemporaryDirectory directory;
  ASSERT_TRUE(HookLock::open(directory.path("run")));
  struct stat status{};
  ASSERT_EQ(::stat(directory.path("run").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 022U, 0U) << "others may put sockets there";
  ASSERT_EQ(::stat(directory.path("run/lock").c_str(), &status), 0);
  EXPECT_TRUE(S_ISREG(status.st_mode));
}

TEST(HookLock, PlacesThatAreNoneAreNamed) {
  const xdpcap::test::TemporaryDirectory directory;
  std::ofstream(directory.path("file")) << "x";
  std::filesystem::create_directories(directory.path("linked"));
  std::filesystem::create_symlink(directory.path("file"), directory.path("linked/lock"));
  std::filesystem::create_directories(directory.path("strange/lock"));
  const struct {
    std::string directory;
    Errc code;
  } cases[] = {
      {directory.path("no/such"), Errc::NotFound},
      {directory.path("file"), Errc::NotFound},
      {directory.path("linked"), Errc::Permission},
      {directory.path("strange"), Errc::Io},
  };
  for (const auto& one : cases) {
    const Result<HookLock> lock = HookLock::open(one.directory);
    ASSERT_FALSE(lock) << one.directory;
    EXPECT_EQ(lock.error().code, one.code) << lock.error().message;
    EXPECT_THAT(lock.error().message, HasSubstr("open lock " + one.directory + "/lock: "));
    EXPECT_THAT(lock.error().message, HasSubstr("-run-dir"));
  }
}

// As somebody who owns nothing there; root may do everything.
int exit_code_as_nobody(const std::string& directory, const std::function<int()>& body) {
  std::filesystem::permissions(directory, std::filesystem::perms(0755));
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    ::_exit(::getuid() == 0 && ::setresuid(kNobody, kNobody, kNobody) != 0 ? 100 : body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(HookLock, IsItsUsersOnlyAndReadingIsEnoughForOthers) {
  const xdpcap::test::TemporaryDirectory directory;
  ASSERT_TRUE(HookLock::open(directory.path("run")));
  const std::string file = directory.path("run/lock");
  EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600));
  std::filesystem::permissions(file, std::filesystem::perms(0644));
  std::filesystem::permissions(directory.path("run"), std::filesystem::perms(0555));
  EXPECT_EQ(exit_code_as_nobody(directory.path(""),
                                [&] {
                                  const Result<HookLock> lock =
                                      HookLock::open(directory.path("run"));
                                  return lock && lock->take().is_granted() ? 0 : 1;
                                }),
            0);
}

TEST(HookLock, ADirectoryThatMayNotBeWrittenIsSaidToBeThat) {
  const xdpcap::test::TemporaryDirectory directory;
  std::filesystem::create_directories(directory.path("run"));
  std::filesystem::permissions(directory.path("run"), std::filesystem::perms(0555));
  EXPECT_EQ(exit_code_as_nobody(directory.path(""),
                                [&] {
                                  const Result<HookLock> lock =
                                      HookLock::open(directory.path("run"));
                                  return lock ? 1 : lock.error().code == Errc::Permission ? 0 : 2;
                                }),
            0);
}

}  // namespace
}  // namespace xdpcap

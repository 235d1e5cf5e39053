// SPDX-License-Identifier: BSD-3-Clause

#include "base/whole_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/testing/temporary_directory.h"

namespace command {
namespace {

namespace fs = std::filesystem;

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void put(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

class WholeFileTest : public ::testing::Test {
 protected:
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(directory_.path("."))) {
      all.push_back(entry.path().filename());
    }
    std::ranges::sort(all);
    return all;
  }
  xdpcap::test::TemporaryDirectory directory_;
  std::string path_ = directory_.path("out");
};

TEST_F(WholeFileTest, IsThereOnlyOnceItIsCommitted) {
  auto file = WholeFile::create(path_);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_TRUE(file->write("all of "));
  ASSERT_TRUE(file->write("it"));
  EXPECT_FALSE(fs::exists(path_));
  ASSERT_TRUE(file->commit());
  EXPECT_EQ(contents(path_), "all of it");
  EXPECT_EQ(names(), std::vector<std::string>{"out"});
}

TEST_F(WholeFileTest, LeavesTheOldFileAndNothingElseWhenItIsNotCommitted) {
  put(path_, "old");
  {
    auto file = WholeFile::create(path_);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write("new"));
  }
  EXPECT_EQ(contents(path_), "old");
  EXPECT_EQ(names(), std::vector<std::string>{"out"});
}

TEST_F(WholeFileTest, AReaderOfTheOldFileKeepsIt) {
  put(path_, "old");
  std::ifstream reader(path_);
  auto file = WholeFile::create(path_);
  ASSERT_TRUE(file && file->write("new") && file->commit());
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(reader), {}), "old");
  EXPECT_EQ(contents(path_), "new");
}

TEST_F(WholeFileTest, ModesAreTheUsualOrThoseOfTheOldFile) {
  const mode_t before = ::umask(027);
  ASSERT_TRUE(WholeFile::create(path_)->commit());
  ::umask(before);
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms(0640));
  fs::permissions(path_, fs::perms(0751));
  ASSERT_TRUE(WholeFile::create(path_)->commit());
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms(0751));
}

TEST_F(WholeFileTest, ALinkStaysAndItsFileIsReplaced) {
  fs::create_directory(directory_.path("elsewhere"));
  const std::string real = directory_.path("elsewhere/real");
  put(real, "old");
  fs::create_symlink(real, path_);
  auto file = WholeFile::create(path_);
  ASSERT_TRUE(file && file->write("new") && file->commit());
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_EQ(contents(real), "new");
}

TEST_F(WholeFileTest, ALinkThatOthersMayHavePutThereIsRefused) {
  fs::create_directory(directory_.path("shared"));
  ASSERT_EQ(::chmod(directory_.path("shared").c_str(), 01777), 0);
  put(directory_.path("victim"), "old");
  fs::create_symlink(directory_.path("victim"), directory_.path("shared/out"));
  fs::create_symlink(directory_.path("."), directory_.path("shared/directory"));
  fs::create_symlink("/dev/null", directory_.path("shared/null"));
  for (const char* name : {"shared/out", "shared/directory/new", "shared/null"}) {
    const auto file = WholeFile::create(directory_.path(name));
    ASSERT_FALSE(file) << name;
    EXPECT_EQ(file.error().code, cbpfc::Errc::Permission);
    EXPECT_TRUE(file.error().message.starts_with("create " + directory_.path(name) + ": " +
                                                 directory_.path("shared/")))
        << file.error().message;
  }
  EXPECT_EQ(contents(directory_.path("victim")), "old");
}

// The new file would have the old one's mode: others could write to it, and run it as root.
TEST_F(WholeFileTest, AFileThatOthersPutThereIsRefused) {
  fs::create_directory(directory_.path("shared"));
  ASSERT_EQ(::chmod(directory_.path("shared").c_str(), 01777), 0);
  const std::string path = directory_.path("shared/out");
  put(path, "old");
  ASSERT_EQ(::chown(path.c_str(), 1000, 1000), 0) << "run as root";
  ASSERT_EQ(::chmod(path.c_str(), 04777), 0);
  auto file = WholeFile::create(path);
  EXPECT_FALSE(file && file->write("new") && file->commit());
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 1000U);
  ASSERT_FALSE(file);
  EXPECT_EQ(
      file.error().message,
      "create " + path +
          ": it belongs to user 1000, and others may have put it there: everybody may write to "
          "the directory " +
          directory_.path("shared/") + "; delete it, or choose another place");
}

TEST_F(WholeFileTest, ASetUserIdBitIsNotPassedOn) {
  put(path_, "old");
  ASSERT_EQ(::chmod(path_.c_str(), 04755), 0);
  ASSERT_TRUE(WholeFile::create(path_)->commit());
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms(0755));
}

TEST_F(WholeFileTest, ALinkThatComesLaterIsReplacedAndNotFollowed) {
  put(directory_.path("victim"), "old");
  auto file = WholeFile::create(path_);
  ASSERT_TRUE(file && file->write("new"));
  fs::create_symlink(directory_.path("victim"), path_);
  ASSERT_TRUE(file->commit());
  EXPECT_FALSE(fs::is_symlink(path_));
  EXPECT_EQ(contents(path_), "new");
  EXPECT_EQ(contents(directory_.path("victim")), "old");
}

TEST_F(WholeFileTest, WhatIsNoRegularFileIsWrittenDirectly) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const int reader = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  auto file = WholeFile::create(path_);
  ASSERT_TRUE(file && file->write("piped"));
  char text[16] = {};
  EXPECT_EQ(::read(reader, text, sizeof(text)), 5);
  EXPECT_STREQ(text, "piped");
  ASSERT_TRUE(file->commit());
  ::close(reader);
  EXPECT_TRUE(fs::is_fifo(path_));
  auto null = WholeFile::create("/dev/null");
  ASSERT_TRUE(null && null->write("gone") && null->commit());
}

/// Acts as a user who is not root while it lives.
class AsNobody {
 public:
  AsNobody() { EXPECT_EQ(::seteuid(65534), 0) << "run as root"; }
  ~AsNobody() { EXPECT_EQ(::seteuid(0), 0); }
};

TEST_F(WholeFileTest, AFileInADirectoryThatIsNotWritableIsWrittenInPlace) {
  ASSERT_EQ(::chmod(directory_.path(".").c_str(), 0755), 0);
  put(path_, "an old and longer text");
  ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
  {
    const AsNobody user;
    {
      auto file = WholeFile::create(path_);
      ASSERT_TRUE(file) << file.error().message;
      EXPECT_EQ(contents(path_), "an old and longer text") << "nothing was written yet";
      WholeFile moved = *std::move(file);
      ASSERT_TRUE(moved.write("new ") && moved.write("text") && moved.commit());
    }
    EXPECT_EQ(contents(path_), "new text");
    auto empty = WholeFile::create(path_);
    ASSERT_TRUE(empty && empty->commit());
    EXPECT_EQ(contents(path_), "");
    const auto other = WholeFile::create(directory_.path("new"));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().message, "create " + directory_.path("new") + ": Permission denied");
  }
  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  const AsNobody user;
  const auto file = WholeFile::create(path_);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().message, "replace " + path_ + ": Permission denied");
}

// Two that are replaced are each whole; two that are written in place would be mixed.
TEST_F(WholeFileTest, AFileIsWrittenInPlaceByOneProcessAtATime) {
  ASSERT_EQ(::chmod(directory_.path(".").c_str(), 0755), 0);
  put(path_, "old");
  ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
  const AsNobody user;
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto file = WholeFile::create(path_);
    if (file && ::write(ready[1], "x", 1) == 1) {
      ::pause();
    }
    ::_exit(1);
  }
  ASSERT_GT(child, 0);
  ::close(ready[1]);
  char is_ready = 0;
  EXPECT_EQ(::read(ready[0], &is_ready, 1), 1);
  const auto second = WholeFile::create(path_);
  EXPECT_EQ(::kill(child, SIGKILL), 0);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  ::close(ready[0]);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message,
            fmt::format("write to {}: process {} is writing to it already; choose another output, "
                        "or end that first",
                        path_, child));
  EXPECT_EQ(contents(path_), "old");
  EXPECT_TRUE(WholeFile::create(path_));
}

TEST_F(WholeFileTest, AFileThatIsMountedIsWrittenOver) {
  ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << "run as root";
  ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  const std::string outside = directory_.path("outside");
  put(outside, "an old and longer text");
  put(path_, "");
  ASSERT_EQ(::mount(outside.c_str(), path_.c_str(), nullptr, MS_BIND, nullptr), 0);
  {
    auto file = WholeFile::create(path_);
    ASSERT_TRUE(file && file->write("new"));
    EXPECT_EQ(contents(outside), "an old and longer text");
    const auto committed = file->commit();
    ASSERT_TRUE(committed) << committed.error().message;
  }
  EXPECT_EQ(contents(outside), "new");
  EXPECT_EQ(::umount2(path_.c_str(), MNT_DETACH), 0);
  EXPECT_EQ(names(), (std::vector<std::string>{"out", "outside"}));
}

TEST_F(WholeFileTest, SaysWhyNot) {
  const struct {
    std::string path;
    cbpfc::Errc code;
    std::string message;
  } cases[] = {
      {directory_.path("no/such"), cbpfc::Errc::NotFound,
       "create " + directory_.path("no/such") + ": No such file or directory"},
      {directory_.path("."), cbpfc::Errc::InvalidArgument,
       "create " + directory_.path(".") + ": Is a directory"},
  };
  for (const auto& one : cases) {
    const auto file = WholeFile::create(one.path);
    ASSERT_FALSE(file) << one.path;
    EXPECT_EQ(file.error().code, one.code);
    EXPECT_EQ(file.error().message, one.message);
  }
}

/// Lets this process be killed when it is about to rename a file.
void die_at_rename() {
  const auto is_call = [](std::uint32_t number) -> sock_filter {
    return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
  };
  constexpr sock_filter kKill = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  sock_filter insns[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
#ifdef SYS_renameat
                         is_call(SYS_renameat),
                         kKill,
#endif
                         is_call(SYS_renameat2),
                         kKill,
                         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program = {.len = std::size(insns), .filter = insns};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/// Writes a file as the first process of a container does; whether it is there.
bool write_in_container(const std::string& path, bool dies_at_rename) {
  const pid_t outer = ::fork();
  if (outer == 0) {
    ::unshare(CLONE_NEWPID);
    const pid_t first = ::fork();
    if (first == 0) {
      if (dies_at_rename) {
        die_at_rename();
      }
      auto file = WholeFile::create(path);
      ::_exit(file && file->write("new") && file->commit() ? 0 : 1);
    }
    int status = -1;
    ::waitpid(first, &status, 0);
    ::_exit(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1);
  }
  int status = -1;
  ::waitpid(outer, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_F(WholeFileTest, WhatAKilledProcessLeftDoesNotStopTheNextWithItsNumber) {
  EXPECT_FALSE(write_in_container(path_, true));
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_EQ(names().size(), 1U) << "it was not killed between its name and its place";
  EXPECT_TRUE(write_in_container(path_, false));
  EXPECT_EQ(contents(path_), "new");
}

TEST_F(WholeFileTest, ANameMayBeAsLongAsTheFileSystemTakes) {
  constexpr std::size_t kMost = 255;
  const std::string path = directory_.path(std::string(kMost, 'x'));
  auto file = WholeFile::create(path);
  ASSERT_TRUE(file && file->write("long"));
  const auto committed = file->commit();
  ASSERT_TRUE(committed) << committed.error().message;
  EXPECT_EQ(contents(path), "long");
}

TEST_F(WholeFileTest, AFullDiskLeavesNothing) {
  ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << "run as root";
  ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  const std::string disk = directory_.path("disk");
  ASSERT_TRUE(fs::create_directory(disk));
  ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=16k"), 0);
  {
    auto file = WholeFile::create(disk + "/out");
    ASSERT_TRUE(file);
    const auto written = file->write(std::string(1 << 20, 'x'));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().message, "write to " + disk + "/out: No space left on device");
    EXPECT_EQ(written.error().sys_errno, ENOSPC);
  }
  EXPECT_TRUE(fs::is_empty(disk));
  EXPECT_EQ(::umount2(disk.c_str(), MNT_DETACH), 0);
}

}  // namespace
}  // namespace command

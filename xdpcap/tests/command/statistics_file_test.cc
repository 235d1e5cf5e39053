// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/statistics/statistics_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/testing/temporary_directory.h"

namespace xdpcap {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
constexpr uid_t kOther = 1000;

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void put_file(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

mode_t mode_of(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0);
  return status.st_mode & 07777U;
}

class StatisticsFileTest : public ::testing::Test {
 protected:
  StatisticsFileTest() : umask_(::umask(0)) {
    EXPECT_EQ(::chmod(directory_.path(".").c_str(), 0755), 0);
    ::alarm(20);  // nothing here waits
  }
  ~StatisticsFileTest() override {
    ::alarm(0);
    ::umask(umask_);
  }
  static Result<void> replace(const std::string& path, std::string_view text) {
    return TRY(StatisticsFile::find(path, {})).replace(text);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(directory_.path("."))) {
      all.push_back(entry.path().filename());
    }
    std::ranges::sort(all);
    return all;
  }

  mode_t umask_;
  test::TemporaryDirectory directory_;
  std::string path_ = directory_.path("x.prom");
};

/// Acts as another user while it lives.
class AsOther {
 public:
  AsOther() { EXPECT_EQ(::seteuid(kOther), 0) << "run as root"; }
  ~AsOther() { EXPECT_EQ(::seteuid(0), 0); }
};

TEST_F(StatisticsFileTest, IsReplaced) {
  const auto file = StatisticsFile::find(path_, {});
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_FALSE(fs::exists(path_));
  ASSERT_TRUE(file->replace("one"));
  std::ifstream reader(path_);
  ASSERT_TRUE(file->replace("two"));
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(reader), {}), "one");
  EXPECT_EQ(contents(path_), "two");
  EXPECT_EQ(names(), std::vector<std::string>{"x.prom"});
}

TEST_F(StatisticsFileTest, OthersNeverMayWriteToIt) {
  ASSERT_TRUE(replace(path_, "new"));
  EXPECT_EQ(mode_of(path_), 0644U) << "with umask 0";
  for (const auto& [old, now] :
       {std::pair<mode_t, mode_t>{0666, 0644}, {0640, 0640}, {0600, 0600}, {04777, 0644}}) {
    ASSERT_EQ(::chmod(path_.c_str(), old), 0);
    ASSERT_TRUE(replace(path_, "new"));
    EXPECT_EQ(mode_of(path_), now);
  }
  fs::remove(path_);
  ::umask(077);
  ASSERT_TRUE(replace(path_, "new"));
  EXPECT_EQ(mode_of(path_), 0600U);
}

TEST_F(StatisticsFileTest, StaysInItsDirectory) {
  fs::create_directory(directory_.path("a"));
  const auto file = StatisticsFile::find(directory_.path("a/x.prom"), {});
  ASSERT_TRUE(file);
  fs::rename(directory_.path("a"), directory_.path("b"));
  fs::create_directory(directory_.path("a"));
  ASSERT_TRUE(file->replace("here"));
  EXPECT_EQ(contents(directory_.path("b/x.prom")), "here");
  EXPECT_FALSE(fs::exists(directory_.path("a/x.prom")));
}

/// The names of the files that are made in a directory.
class MadeFiles {
 public:
  explicit MadeFiles(const std::string& directory)
      : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    EXPECT_GE(::inotify_add_watch(fd_.get(), directory.c_str(), IN_CREATE), 0);
  }
  std::vector<std::string> take() const {
    std::vector<std::string> names;
    alignas(inotify_event) std::array<char, 4096> bytes{};
    const ssize_t size = ::read(fd_.get(), bytes.data(), bytes.size());
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(bytes.data() + at);
      names.emplace_back(event->name);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
    return names;
  }

 private:
  UniqueFd fd_;
};

// With a name that is known, others would only have to make a file of that name.
TEST_F(StatisticsFileTest, TheOtherNameIsNewEachTime) {
  const MadeFiles made(directory_.path("."));
  const auto file = StatisticsFile::find(path_, {});
  ASSERT_TRUE(file && file->replace("1") && file->replace("2"));
  const std::vector<std::string> names = made.take();
  ASSERT_EQ(names.size(), 2U);
  EXPECT_NE(names[0], names[1]);
  for (const std::string& name : names) {
    put_file(directory_.path(name), "");
    EXPECT_TRUE(file->replace("3"));
  }
  EXPECT_EQ(contents(path_), "3");
}

TEST_F(StatisticsFileTest, WhatOthersPutInItsPlaceIsReplaced) {
  const auto file = StatisticsFile::find(path_, {});
  ASSERT_TRUE(file && file->replace("old"));
  put_file(directory_.path("victim"), "precious");
  const auto expect_replaced = [&] {
    const auto replaced = file->replace("new");
    EXPECT_TRUE(replaced) << replaced.error().message;
    EXPECT_FALSE(fs::is_symlink(path_));
    EXPECT_EQ(contents(path_), "new");
    fs::remove(path_);
  };
  fs::remove(path_);
  fs::create_symlink("victim", path_);
  expect_replaced();
  ASSERT_EQ(::mkfifo(path_.c_str(), 0666), 0);
  expect_replaced();
  fs::create_hard_link(directory_.path("victim"), path_);
  expect_replaced();
  EXPECT_EQ(contents(directory_.path("victim")), "precious");
  fs::create_directory(path_);
  const auto refused = file->replace("new");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "replace " + path_ + ": Is a directory");
  fs::remove(path_);
  expect_replaced();
  EXPECT_EQ(names(), std::vector<std::string>{"victim"});
}

TEST_F(StatisticsFileTest, OnlyARegularFileThatIsOursIsTaken) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0666), 0);
  const auto pipe = replace(path_, "");
  ASSERT_FALSE(pipe);
  EXPECT_THAT(pipe.error().message, HasSubstr("is not a regular file"));
  ASSERT_EQ(::chmod(directory_.path(".").c_str(), 01777), 0);
  fs::remove(path_);
  put_file(path_, "old");
  ASSERT_EQ(::chown(path_.c_str(), kOther, kOther), 0);
  const auto theirs = replace(path_, "new");
  ASSERT_FALSE(theirs);
  EXPECT_THAT(theirs.error().message, HasSubstr("it belongs to user 1000, and others may have"));
  EXPECT_EQ(contents(path_), "old");
}

TEST_F(StatisticsFileTest, ThatIsMountedIsWrittenOver) {
  ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << "run as root";
  ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  const std::string outside = directory_.path("outside");
  put_file(outside, "an old and longer text");
  put_file(path_, "");
  ASSERT_EQ(::mount(outside.c_str(), path_.c_str(), nullptr, MS_BIND, nullptr), 0);
  const auto replaced = replace(path_, "new");
  EXPECT_TRUE(replaced) << replaced.error().message;
  EXPECT_EQ(contents(outside), "new");
  EXPECT_EQ(::umount2(path_.c_str(), MNT_DETACH), 0);
  EXPECT_EQ(names(), (std::vector<std::string>{"outside", "x.prom"}));
}

TEST_F(StatisticsFileTest, WhoseDirectoryTakesNoNewFileIsWrittenOver) {
  put_file(path_, "an old and longer text");
  ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
  const AsOther user;
  const auto file = StatisticsFile::find(path_, {});
  ASSERT_TRUE(file && file->replace("new"));
  EXPECT_EQ(contents(path_), "new");
}

// Neither waited for, nor written to.
TEST_F(StatisticsFileTest, APipeInThePlaceOfSuchAFileIsNot) {
  put_file(path_, "");
  ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
  const auto replace_by_other = [&](const StatisticsFile& file) {
    const AsOther user;
    return file.replace("new");
  };
  const auto file = StatisticsFile::find(path_, {});
  ASSERT_TRUE(file);
  fs::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0666), 0);
  const auto alone = replace_by_other(*file);
  ASSERT_FALSE(alone);
  EXPECT_EQ(
      alone.error().message,
      "create " + path_ +
          ": Permission denied; a running capture is user 1000 without capabilities, and needs "
          "a directory in which this user may create files; see also -Z");
  const UniqueFd reader(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  EXPECT_FALSE(replace_by_other(*file));
  char byte = 0;
  EXPECT_EQ(::read(reader.get(), &byte, 1), 0);
}

TEST_F(StatisticsFileTest, AFullDiskLeavesTheOldOne) {
  ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << "run as root";
  ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  const std::string disk = directory_.path("disk");
  ASSERT_TRUE(fs::create_directory(disk));
  ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=16k"), 0);
  const auto file = StatisticsFile::find(disk + "/x.prom", {});
  ASSERT_TRUE(file && file->replace("old"));
  const auto full = file->replace(std::string(1 << 20, 'x'));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().message, "write to " + disk + "/x.prom: No space left on device");
  EXPECT_EQ(contents(disk + "/x.prom"), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(disk), {}), 1);
  EXPECT_EQ(::umount2(disk.c_str(), MNT_DETACH), 0);
}

}  // namespace
}  // namespace xdpcap

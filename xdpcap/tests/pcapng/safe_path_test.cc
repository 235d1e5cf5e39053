// SPDX-License-Identifier: BSD-3-Clause

#include "base/safe_path.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "xdpcap/pcapng/file_sink.h"
#include "xdpcap/tests/pcapng/capture_files.h"

namespace xdpcap {
namespace {

namespace fs = std::filesystem;
using test::read_file;
using test::write_file;

const std::vector<std::uint8_t> kOld(10, 'x');

/// A directory of ours with one in it that everybody may write to.
class SafePathTest : public ::testing::Test {
 protected:
  void SetUp() override {
    make_directory(path("mine"), 0755);
    make_directory(path("shared"), 0707);
    write_file(path("mine/old"), kOld);
  }
  static void make_directory(const std::string& name, mode_t mode) {
    fs::create_directory(name);
    ASSERT_EQ(::chmod(name.c_str(), mode), 0);
  }
  std::string path(const std::string& name) const { return directory_.path(name); }
  std::string refusal(const std::string& link, const std::string& directory) const {
    return link +
           " is a symbolic link that others may have put there: everybody may write to the "
           "directory " +
           directory + "; give the path that it stands for, or choose another place";
  }

  test::TemporaryDirectory directory_;
};

struct stat status_of(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status;
}

TEST_F(SafePathTest, FindsWhatTheKernelFinds) {
  fs::create_symlink("old", path("mine/relative"));
  fs::create_symlink(path("mine/old"), path("absolute"));
  fs::create_symlink("mine", path("to_directory"));
  fs::create_symlink("mine/", path("to_directory_too"));
  fs::create_symlink("to_directory/../mine/./relative", path("by_ways"));
  fs::create_symlink("../mine/old", path("mine/up"));
  fs::create_symlink(path("mine/old"), path("shared/sub"));  // not looked at by these
  for (const char* name :
       {"mine/old", "mine/relative", "absolute", "to_directory/old", "to_directory_too//relative",
        "by_ways", "mine/up", "./mine/../mine//old", "shared/../mine/old"}) {
    const auto place = SafePlace::find(path(name));
    ASSERT_TRUE(place.has_value()) << name << ": " << place.error().message;
    struct stat found{};
    ASSERT_EQ(place->status(found), 0) << name;
    EXPECT_EQ(found.st_ino, status_of(path("mine/old")).st_ino) << name;
    EXPECT_EQ(place->name(), "old") << name;
  }
  const fs::path before = fs::current_path();
  fs::current_path(path("mine"));
  const auto here = SafePlace::find("relative");
  fs::current_path(before);
  struct stat found{};
  ASSERT_TRUE(here.has_value());
  ASSERT_EQ(here->status(found), 0) << "the directory is held";
  EXPECT_EQ(found.st_ino, status_of(path("mine/old")).st_ino);
}

TEST_F(SafePathTest, RefusesLinksThatMayBeAnybodys) {
  make_directory(path("sticky"), 01777);
  for (const std::string shared : {"shared", "sticky"}) {
    fs::create_symlink(path("mine/old"), path(shared + "/file"));
    fs::create_symlink("nothing", path(shared + "/nothing"));
    fs::create_symlink(path("mine"), path(shared + "/directory"));
    fs::create_symlink(path(shared + "/file"), path("mine/to_" + shared));
    const struct {
      std::string path;
      std::string link;
    } cases[] = {
        {shared + "/file", "/file"},
        {shared + "/nothing", "/nothing"},
        {shared + "/directory/old", "/directory"},
        {shared + "/directory/new", "/directory"},
        {"mine/../" + shared + "/file", "/file"},
        {"mine/to_" + shared, "/file"},
    };
    for (const auto& one : cases) {
      const auto place = SafePlace::find(path(one.path));
      ASSERT_FALSE(place.has_value()) << one.path;
      EXPECT_EQ(place.error().code, Errc::Permission);
      EXPECT_EQ(place.error().sys_errno, 0);
      const std::string directory =
          one.path.starts_with("mine/..") ? path("mine/../" + shared) : path(shared);
      EXPECT_EQ(place.error().message, refusal(directory + one.link, directory + "/"));
    }
  }
}

TEST_F(SafePathTest, FilesAndDirectoriesOfSharedDirectoriesAreFine) {
  make_directory(path("sticky"), 01777);
  write_file(path("shared/file"), kOld);
  fs::create_directory(path("shared/directory"));
  fs::create_directory(path("sticky/directory"));
  fs::create_symlink(path("mine/old"), path("sticky/directory/link"));
  for (const char* name :
       {"shared/file", "shared/new", "shared/directory/new", "sticky/directory/link"}) {
    EXPECT_TRUE(SafePlace::find(path(name)).has_value()) << name;
  }
}

TEST_F(SafePathTest, SaysWhyNot) {
  fs::create_symlink("round", path("round"));
  std::string name = "mine/old";
  for (int i = 0; i < 41; ++i) {
    const std::string link = "link" + std::to_string(i);
    fs::create_symlink(name, path(link));
    name = link;
  }
  EXPECT_TRUE(SafePlace::find(path("link39")).has_value()) << "40 links";
  const struct {
    std::string path;
    int error;
  } cases[] = {
      {"", ENOENT},
      {"/", EISDIR},
      {path("."), EISDIR},
      {path("mine/.."), EISDIR},
      {path("mine/"), EISDIR},
      {path("new/"), EISDIR},
      {path("no/such"), ENOENT},
      {path("mine/old/x"), ENOTDIR},
      {path("round"), ELOOP},
      {path("round/x"), ELOOP},
      {path("link40"), ELOOP},
      {path(std::string(300, 'x')), ENAMETOOLONG},
  };
  for (const auto& one : cases) {
    const auto place = SafePlace::find(one.path);
    ASSERT_FALSE(place.has_value()) << one.path;
    EXPECT_EQ(place.error().sys_errno, one.error) << one.path;
  }
}

TEST_F(SafePathTest, ALinkThatComesLaterIsNotFollowed) {
  const auto place = SafePlace::find(path("mine/new"));
  ASSERT_TRUE(place.has_value());
  fs::create_symlink("old", path("mine/new"));
  EXPECT_FALSE(place->open(O_WRONLY | O_CREAT, 0600).is_open());
  EXPECT_EQ(errno, ELOOP);
  fs::rename(path("mine"), path("moved"));
  fs::create_symlink("moved", path("mine"));
  fs::remove(path("moved/new"));
  EXPECT_TRUE(place->open(O_WRONLY | O_CREAT | O_EXCL, 0600).is_open());
  EXPECT_TRUE(fs::exists(path("moved/new"))) << "the directory that was looked at";
}

TEST_F(SafePathTest, TheKernelsLinksLeadToOpenFiles) {
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  const int deleted = ::open(path("mine/old").c_str(), O_WRONLY);
  fs::remove(path("mine/old"));
  fs::create_symlink("/proc/self/fd/" + std::to_string(pipe_fds[1]), path("mine/pipe"));
  fs::create_symlink("/proc/self/cwd/.", path("mine/here"));
  const struct {
    std::string path;
    int fd;
  } cases[] = {
      {"/proc/self/fd/" + std::to_string(pipe_fds[1]), pipe_fds[1]},
      {"/dev/fd/" + std::to_string(pipe_fds[1]), pipe_fds[1]},
      {"/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(deleted), deleted},
      {path("mine/pipe"), pipe_fds[1]},
  };
  for (const auto& one : cases) {
    EXPECT_TRUE(FileSink::check(one.path).has_value()) << one.path;
    const auto place = SafePlace::find(one.path);
    ASSERT_TRUE(place.has_value()) << one.path << ": " << place.error().message;
    const UniqueFd fd = place->open(O_WRONLY | O_CREAT);
    ASSERT_TRUE(fd.is_open()) << one.path << ": " << std::strerror(errno);
    struct stat wanted{};
    struct stat found{};
    ASSERT_EQ(::fstat(one.fd, &wanted), 0);
    ASSERT_EQ(::fstat(fd.get(), &found), 0);
    EXPECT_EQ(found.st_ino, wanted.st_ino) << one.path;
  }
  EXPECT_EQ(SafePlace::find(path("mine/here")).error().sys_errno, EISDIR);
  EXPECT_TRUE(SafePlace::find("/proc/self/cwd/x").has_value());
  for (const int fd : {pipe_fds[0], pipe_fds[1], deleted}) {
    ::close(fd);
  }
}

TEST_F(SafePathTest, AnOutputIsNotOpenedThroughSuchALink) {
  fs::create_symlink(path("mine/old"), path("shared/out"));
  fs::create_symlink(path("mine/new"), path("shared/nothing"));
  for (const char* name : {"shared/out", "shared/nothing"}) {
    const std::string wanted =
        "create output file " + path(name) + ": " + refusal(path(name), path("shared/"));
    const auto sink = FileSink::open(path(name));
    ASSERT_FALSE(sink.has_value());
    EXPECT_EQ(sink.error().message, wanted);
    EXPECT_EQ(sink.error().code, Errc::Permission);
    const auto checked = FileSink::check(path(name));
    ASSERT_FALSE(checked.has_value());
    EXPECT_EQ(checked.error().message, wanted);
  }
  EXPECT_FALSE(fs::exists(path("mine/new")));
  EXPECT_EQ(read_file(path("mine/old")), kOld);
}

TEST_F(SafePathTest, AnOutputIsCreatedAndRemovedWhereItsLinkLeads) {
  fs::create_symlink("mine/new", path("link"));
  auto sink = FileSink::open(path("link"));
  ASSERT_TRUE(sink.has_value()) << sink.error().message;
  EXPECT_TRUE(fs::exists(path("mine/new")));
  sink->remove_if_created();
  EXPECT_FALSE(fs::exists(path("mine/new")));
  EXPECT_TRUE(fs::is_symlink(path("link")));
}

}  // namespace
}  // namespace xdpcap

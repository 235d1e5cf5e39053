// SPDX-License-Identifier: BSD-3-Clause
//
// Outputs in directories that others may write to: what they can put there beforehand, and what they get of it.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "xdpcap/pcapng/file_sink.h"
#include "xdpcap/tests/pcapng/capture_files.h"

namespace xdpcap {
namespace {

namespace fs = std::filesystem;
using test::read_file;
using test::write_file;
using testing::HasSubstr;

const std::vector<std::uint8_t> kOldContent(10, 'x');
const std::vector<std::uint8_t> kNew(3, 'n');
constexpr uid_t kOther = 1000;

/// One way in which a directory is not ours alone.
struct Sharing {
  uid_t owner;
  mode_t mode;
  const char* words;  ///< in messages, before the directory
};
// In the names of tests.
void PrintTo(const Sharing& sharing, std::ostream* out) {
  *out << "Of" << sharing.owner << "Mode" << std::oct << sharing.mode << std::dec;
}
constexpr Sharing kSharings[] = {
    {kOther, 0755, "the directory "},
    {0, 0775, "group 1000 may write to the directory "},
    {0, 01775, "group 1000 may write to the directory "},
    {0, 0777, "everybody may write to the directory "},
    {0, 01777, "everybody may write to the directory "},
};

class SharedPlaceTest : public ::testing::TestWithParam<Sharing> {
 protected:
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "run as root";
    make_directory(path("mine"), 0, 0755);
    make_directory(path("shared"), GetParam().owner, GetParam().mode);
    write_file(path("mine/victim"), kOldContent);
  }
  static void make_directory(const std::string& name, uid_t owner, mode_t mode) {
    fs::create_directory(name);
    ASSERT_EQ(::chown(name.c_str(), owner, kOther), 0);
    ASSERT_EQ(::chmod(name.c_str(), mode), 0);
  }
  std::string path(const std::string& name) const { return directory_.path(name); }
  static void give_away(const std::string& name) {
    ASSERT_EQ(::lchown(name.c_str(), kOther, kOther), 0);
  }
  /// Opening it and writing to it fails for a reason that has `words`.
  static void expect_refused(const std::string& name, const std::string& words) {
    SCOPED_TRACE(name);
    for (const bool opens : {false, true}) {
      Result<void> done = FileSink::check(name);
      if (opens) {
        auto sink = FileSink::open(name);
        done = sink ? sink->write(kNew) : Result<void>(std::unexpected(sink.error()));
      }
      ASSERT_FALSE(done.has_value()) << "was written to";
      EXPECT_EQ(done.error().code, Errc::Permission);
      EXPECT_THAT(done.error().message, HasSubstr("create output file " + name + ": "));
      EXPECT_THAT(done.error().message, HasSubstr(words));
    }
  }
  static void expect_written(const std::string& name) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(FileSink::check(name).has_value());
    auto sink = FileSink::open(name);
    ASSERT_TRUE(sink.has_value()) << sink.error().message;
    EXPECT_TRUE(sink->write(kNew).has_value());
  }

  test::TemporaryDirectory directory_;
  std::string out_ = path("shared/out");
};

TEST_P(SharedPlaceTest, ALinkIsNotFollowed) {
  fs::create_symlink(path("mine/victim"), out_);
  fs::create_symlink(path("mine/new"), path("shared/dangling"));
  fs::create_symlink(path("mine"), path("shared/way"));
  for (const char* link : {"shared/out", "shared/dangling", "shared/way"}) {
    const std::string name = path(link) + (fs::is_directory(path(link)) ? "/victim" : "");
    expect_refused(name, path(link) + " is a symbolic link that others may have put there: " +
                             GetParam().words);
  }
  EXPECT_EQ(read_file(path("mine/victim")), kOldContent);
  EXPECT_FALSE(fs::exists(path("mine/new")));
}

TEST_P(SharedPlaceTest, AFileOfAnotherUserGetsNothing) {
  write_file(out_, kOldContent);
  ASSERT_EQ(::chmod(out_.c_str(), 0666), 0);
  give_away(out_);
  expect_refused(out_, std::string("it belongs to user 1000, and others may have put it there: ") +
                           GetParam().words);
  EXPECT_EQ(read_file(out_), kOldContent);
}

TEST_P(SharedPlaceTest, APipeOfAnotherUserGetsNothing) {
  ASSERT_EQ(::mkfifo(out_.c_str(), 0666), 0);
  give_away(out_);
  const UniqueFd reader(::open(out_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  expect_refused(out_, "it belongs to user 1000");
  char byte = 0;
  EXPECT_EQ(::read(reader.get(), &byte, 1), 0);
}

// Anybody may make one, where fs.protected_hardlinks is 0 or the file is theirs to write.
TEST_P(SharedPlaceTest, ASecondNameOfAFileOfOursIsNotTaken) {
  fs::create_hard_link(path("mine/victim"), out_);
  expect_refused(out_, "it is a file with 2 names (hard links)");
  EXPECT_EQ(read_file(path("mine/victim")), kOldContent);
}

TEST_P(SharedPlaceTest, ADeviceIsNotTaken) {
  ASSERT_EQ(::mknod(out_.c_str(), S_IFCHR | 0666, ::makedev(1, 3)), 0);
  expect_refused(out_, "it is neither a regular file nor a named pipe");
}

TEST_P(SharedPlaceTest, NewFilesAndThoseOfOursAreWritten) {
  expect_written(out_);
  struct stat status{};
  ASSERT_EQ(::stat(out_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_EQ(status.st_uid, 0U);
  expect_written(out_);
  EXPECT_EQ(read_file(out_), kNew);
  ASSERT_EQ(::mkfifo(path("shared/pipe").c_str(), 0600), 0);
  const UniqueFd reader(::open(path("shared/pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  expect_written(path("shared/pipe"));
}

// Others may put one directory in the place of another, but not of ours in a sticky one.
TEST_P(SharedPlaceTest, SoItIsBelowIt) {
  make_directory(path("shared/below"), 0, 0755);
  fs::create_symlink(path("mine/victim"), path("shared/below/out"));
  const bool keeps_ours = GetParam().owner == 0 && (GetParam().mode & S_ISVTX) != 0;
  if (keeps_ours) {
    expect_written(path("shared/below/out"));
    return;
  }
  expect_refused(path("shared/below/out"), GetParam().words + path("shared/"));
  expect_refused(path("shared/below/../below/out"), GetParam().words + path("shared/"));
  EXPECT_EQ(read_file(path("mine/victim")), kOldContent);
}

TEST_P(SharedPlaceTest, ADirectoryOfOthersInItIsTheirs) {
  make_directory(path("shared/theirs"), kOther, 0755);
  fs::create_symlink(path("mine/victim"), path("shared/theirs/out"));
  expect_refused(path("shared/theirs/out"), "is a symbolic link");
  EXPECT_EQ(read_file(path("mine/victim")), kOldContent);
}

INSTANTIATE_TEST_SUITE_P(All, SharedPlaceTest, ::testing::ValuesIn(kSharings));

// With -Z, what root looks at beforehand is opened by that user.
TEST(ChosenUsersPlace, IsTheirs) {
  const test::TemporaryDirectory directory;
  write_file(directory.path("out"), kOldContent);
  fs::create_symlink("out", directory.path("link"));
  for (const std::string& name :
       {directory.path("out"), directory.path("."), directory.path("link")}) {
    ASSERT_EQ(::lchown(name.c_str(), kOther, kOther), 0);
  }
  for (const char* name : {"out", "link"}) {
    EXPECT_FALSE(FileSink::check(directory.path(name)).has_value());
    const auto checked = FileSink::check(directory.path(name), {.also = kOther});
    EXPECT_TRUE(checked.has_value()) << checked.error().message;
  }
}

// The signals that end a capture are blocked by then: a wait would be for ever.
TEST(NamedPipe, WithoutAReaderIsNotWaitedFor) {
  const test::TemporaryDirectory directory;
  ASSERT_EQ(::mkfifo(directory.path("pipe").c_str(), 0600), 0);
  ::alarm(5);
  const auto sink = FileSink::open(directory.path("pipe"));
  ::alarm(0);
  ASSERT_FALSE(sink.has_value());
  EXPECT_EQ(sink.error().sys_errno, ENXIO);
  const UniqueFd reader(::open(directory.path("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const auto read = FileSink::open(directory.path("pipe"));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(::fcntl(read->fd(), F_GETFL) & O_NONBLOCK, 0) << "of a pipe that is full it waits";
}

}  // namespace
}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/pcapng/file_sink.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "xdpcap/pcapng/block.h"
#include "xdpcap/pcapng/pcapng_writer.h"
#include "xdpcap/tests/pcapng/capture_files.h"

namespace xdpcap {
namespace {

using test::make_section;
using test::TemporaryDirectory;

std::vector<std::uint8_t> filler(std::size_t length) {
  std::vector<std::uint8_t> bytes(length);
  write_filler(bytes.data(), length);
  return bytes;
}

TEST(FileSink, OpenErrorsSayWhatToDo) {
  const TemporaryDirectory directory;
  test::write_file(directory.path("file"), filler(16));
  struct Case {
    std::string path;
    Errc code;
    int sys_errno;
    std::string reason;
  };
  const std::vector<Case> cases = {
      {directory.path("no/such"), Errc::NotFound, ENOENT,
       "a directory in its path does not exist; create it first"},
      {directory.path(""), Errc::InvalidArgument, EISDIR,
       "it is a directory; give the name of a file in it"},
      {directory.path("new/"), Errc::InvalidArgument, EISDIR,
       "it is a directory; give the name of a file in it"},
      {directory.path("file/x"), Errc::NotFound, ENOTDIR,
       "something in its path is not a directory; check the path"},
      {"", Errc::NotFound, ENOENT, "the name is empty; give a name, or - for standard output"},
      {directory.path(std::string(300, 'x')), Errc::Io, ENAMETOOLONG, "File name too long"},
  };
  for (const Case& c : cases) {
    const auto sink = FileSink::open(c.path);
    ASSERT_FALSE(sink.has_value()) << c.path;
    EXPECT_EQ(sink.error().code, c.code) << c.path;
    EXPECT_EQ(sink.error().sys_errno, c.sys_errno) << c.path;
    EXPECT_EQ(sink.error().message, "create output file " + c.path + ": " + c.reason);
    const auto checked = FileSink::check(c.path);
    ASSERT_FALSE(checked.has_value()) << c.path;
    EXPECT_EQ(checked.error().code, c.code) << c.path;
    EXPECT_EQ(checked.error().message, sink.error().message);
  }
}

TEST(FileSink, ErrorsSpeakOfPacketsOnlyIfThereAreAny) {
  const TemporaryDirectory directory;
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto message_at = [&](rlim_t limit_bytes) {
    const rlimit limit{.rlim_cur = limit_bytes, .rlim_max = old.rlim_max};
    auto sink = FileSink::open(directory.path(std::to_string(limit_bytes)));
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto written = sink->write(filler(16));
    if (written.has_value()) {
      written = sink->write(filler(16));
    }
    ::setrlimit(RLIMIT_FSIZE, &old);
    const std::string start = "write to " + directory.path(std::to_string(limit_bytes)) + ": ";
    return written.has_value() ? "" : written.error().message.substr(start.size());
  };
  const std::string why = "the file has reached the size limit; see ulimit -f";
  EXPECT_EQ(message_at(0), why);
  EXPECT_EQ(message_at(5), why);
  EXPECT_EQ(message_at(16), why + "; it ends with the last whole packet");
  EXPECT_EQ(message_at(20), why + "; it ends with the last whole packet");
}

TEST(FileSink, CheckTouchesNothing) {
  const TemporaryDirectory directory;
  const std::string old = directory.path("old");
  test::write_file(old, filler(16));
  std::filesystem::create_symlink("nothing", directory.path("link"));
  for (const std::string& path :
       {directory.path("new"), directory.path("link"), old, std::string("-"),
        std::string("in the working directory"), std::string("/dev/full")}) {
    const auto checked = FileSink::check(path);
    EXPECT_TRUE(checked.has_value()) << path << ": " << checked.error().message;
  }
  EXPECT_EQ(test::read_file(old).size(), 16U);
  EXPECT_FALSE(std::filesystem::exists(directory.path("new")));
  EXPECT_FALSE(std::filesystem::exists(directory.path("nothing")));
}

TEST(FileSink, OpenWithoutPermission) {
  ASSERT_EQ(::geteuid(), 0U) << "run as root: the test gives its rights away for a moment";
  const TemporaryDirectory directory;
  ASSERT_EQ(::chmod(directory.path("").c_str(), 0755), 0);
  ASSERT_EQ(::seteuid(65534), 0);
  const auto sink = FileSink::open(directory.path("x"));
  const auto checked = FileSink::check(directory.path("x"));
  ASSERT_EQ(::seteuid(0), 0);
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().message, sink.error().message);
  ASSERT_FALSE(sink.has_value());
  EXPECT_EQ(sink.error().code, Errc::Permission);
  EXPECT_EQ(sink.error().message,
            "create output file " + directory.path("x") +
                ": no permission to write there; choose another place or change the permissions of "
                "the file or its directory");
}

TEST(FileSink, CreatesForTheOwnerAloneUnlessToldOtherwise) {
  const TemporaryDirectory directory;
  const struct {
    mode_t umask;
    std::optional<mode_t> asked;
    mode_t wanted;
  } cases[] = {
      {0, std::nullopt, 0600},
      {022, std::nullopt, 0600},
      {0277, std::nullopt, 0400},
      {022, 0644, 0644},
      {077, 0666, 0666},
      {0, 0400, 0400},
      {0, 0, 0},
  };
  for (const auto& one : cases) {
    const std::string path = directory.path("f");
    const mode_t old_mask = ::umask(one.umask);
    auto sink = FileSink::open(path, one.asked);
    ::umask(old_mask);
    ASSERT_TRUE(sink.has_value()) << sink.error().message;
    EXPECT_TRUE(sink->write(filler(16)).has_value());
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, one.wanted);
    sink->remove_if_created();
  }
}

TEST(FileSink, AFileThatExistsKeepsItsMode) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("f");
  test::write_file(path, filler(16));
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  ASSERT_TRUE(FileSink::open(path, 0644).has_value());
  ASSERT_TRUE(FileSink::open(path).has_value());
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640U);
}

TEST(FileSink, EmptiesWhatWasThereWhenWriting) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("f");
  {
    auto sink = FileSink::open(path);
    ASSERT_TRUE(sink.has_value());
    EXPECT_EQ(sink->block_boundary_bytes(), 4096U);
    EXPECT_EQ(sink->start_offset_bytes(), 0U);
    ASSERT_TRUE(sink->write(filler(100)).has_value());
    EXPECT_EQ(sink->written_bytes(), 100U);
    ASSERT_TRUE(sink->finish().has_value());
  }
  auto again = FileSink::open(path);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(test::read_file(path).size(), 100U) << "opening alone costs nothing";
  ASSERT_TRUE(again->write(filler(16)).has_value());
  EXPECT_EQ(test::read_file(path).size(), 16U);
}

TEST(FileSink, RemovesOnlyWhatItCreated) {
  const TemporaryDirectory directory;
  const std::string fresh = directory.path("new");
  const std::string old = directory.path("old");
  const std::string replaced = directory.path("replaced");
  test::write_file(old, filler(16));
  FileSink::open(fresh)->remove_if_created();
  EXPECT_FALSE(std::filesystem::exists(fresh));
  FileSink::open(old)->remove_if_created();
  EXPECT_TRUE(std::filesystem::exists(old));
  auto sink = FileSink::open(replaced);
  ASSERT_TRUE(sink.has_value());
  test::write_file(directory.path("other"), filler(16));
  std::filesystem::rename(directory.path("other"), replaced);
  sink->remove_if_created();
  EXPECT_TRUE(std::filesystem::exists(replaced));
  FileSink::open("/dev/null")->remove_if_created();
  EXPECT_TRUE(std::filesystem::exists("/dev/null"));
}

/// Runs `body` with standard output being `fd`, or closed if that is -1.
template <typename Body>
void with_standard_output(int fd, Body body) {
  ::fflush(stdout);
  const int saved = ::dup(STDOUT_FILENO);
  ASSERT_GE(saved, 0);
  if (fd >= 0) {
    ::dup2(fd, STDOUT_FILENO);
  } else {
    ::close(STDOUT_FILENO);
  }
  body();
  ::dup2(saved, STDOUT_FILENO);
  ::close(saved);
}

TEST(FileSink, StandardOutputThatIsAFileGoesOnWhereItStands) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("f");
  for (const int flags : {0, O_APPEND}) {
    test::write_file(path, filler(2000));
    const int fd = ::open(path.c_str(), O_WRONLY | flags);
    ASSERT_GE(fd, 0);
    if (flags == 0) {
      ASSERT_EQ(::lseek(fd, 0, SEEK_END), 2000);
    }
    with_standard_output(fd, [] {
      auto sink = FileSink::open("-");
      ASSERT_TRUE(sink.has_value());
      EXPECT_EQ(sink->start_offset_bytes(), 2000U);
      EXPECT_EQ(sink->block_boundary_bytes(), 4096U);
      ASSERT_TRUE(sink->write(filler(500)).has_value());
      EXPECT_EQ(sink->written_bytes(), 500U);
      ASSERT_TRUE(sink->finish().has_value());
      EXPECT_NE(::fcntl(STDOUT_FILENO, F_GETFD), -1) << "number 1 stays taken";
    });
    ::close(fd);
    EXPECT_EQ(test::read_file(path).size(), 2500U);
  }
}

TEST(FileSink, TwoCapturesAppendedToOneFileAreRead) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("f");
  for (int round = 0; round < 3; ++round) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ASSERT_GE(fd, 0);
    with_standard_output(fd, [] {
      FileSink sink = FileSink::standard_output();
      auto writer = PcapngWriter::start(sink, make_section(2));
      ASSERT_TRUE(writer.has_value());
      const auto bytes = test::make_bytes(333, 1);
      for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(writer->write({.wire_length_bytes = 333, .bytes = bytes}).has_value());
      }
      ASSERT_TRUE(writer->flush().has_value());
      ASSERT_TRUE(sink.finish().has_value());
    });
    ::close(fd);
  }
  const auto result = test::read_with_libpcap(test::read_file(path));
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.packets, 300U);
  test::expect_tools_read(path);
}

TEST(FileSink, ClosedStandardOutputIsAnError) {
  with_standard_output(-1, [] {
    FileSink sink = FileSink::standard_output();
    const auto result = sink.write(filler(16));
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().sys_errno, EBADF);
    EXPECT_EQ(
        result.error().message,
        "write to standard output: it is not open for writing; redirect it to a file or a pipe");
  });
}

}  // namespace
}  // namespace xdpcap

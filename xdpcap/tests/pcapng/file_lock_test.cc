// SPDX-License-Identifier: BSD-3-Clause
//
// A second capture into one output is refused, whatever the output is and by whatever name, and readers are left
// alone.  Locks are a process's, so the other capture is a child.

#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>

#include "xdpcap/pcapng/block.h"
#include "xdpcap/pcapng/file_sink.h"
#include "xdpcap/tests/pcapng/capture_files.h"

namespace xdpcap {
namespace {

using test::TemporaryDirectory;

/// A child that has locked an output, until the object goes.
class OtherCapture {
 public:
  explicit OtherCapture(const std::function<Result<FileSink>()>& open) {
    std::array<int, 2> ready{};
    std::array<int, 2> end{};
    EXPECT_EQ(::pipe2(ready.data(), O_CLOEXEC) + ::pipe2(end.data(), O_CLOEXEC), 0);
    pid_ = ::fork();
    EXPECT_GE(pid_, 0);
    if (pid_ == 0) {
      ::close(end[1]);
      auto sink = open();
      const char is_locked = sink && sink->lock().value_or(false) ? 1 : 0;
      char none = 0;
      const bool is_told = ::write(ready[1], &is_locked, 1) == 1;
      ::_exit(is_told && ::read(end[0], &none, 1) == 0 ? 0 : 1);
    }
    ::close(ready[1]);
    ::close(end[0]);
    end_ = end[1];
    char is_locked = 0;
    EXPECT_EQ(::read(ready[0], &is_locked, 1), 1);
    EXPECT_EQ(is_locked, 1);
    ::close(ready[0]);
  }
  OtherCapture(const OtherCapture&) = delete;
  OtherCapture& operator=(const OtherCapture&) = delete;
  ~OtherCapture() {
    ::close(end_);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int end_ = -1;
};

void expect_refused(Result<FileSink> sink, const std::string& name, pid_t pid) {
  ASSERT_TRUE(sink.has_value()) << sink.error().message;
  const Result<bool> locked = sink->lock();
  ASSERT_FALSE(locked.has_value()) << name;
  EXPECT_EQ(locked.error().code, Errc::Busy);
  EXPECT_EQ(locked.error().message,
            fmt::format("write to {}: process {} is writing to it already; choose another output, "
                        "or end that first",
                        name, pid));
}

TEST(FileLock, ASecondCaptureIsRefusedByEveryNameOfTheFile) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("f");
  test::write_file(path, std::array<std::uint8_t, 4>{1, 2, 3, 4});
  std::filesystem::create_hard_link(path, directory.path("hard"));
  std::filesystem::create_symlink("f", directory.path("soft"));
  {
    const OtherCapture other([&] { return FileSink::open(path); });
    for (const char* name : {"f", "hard", "soft"}) {
      expect_refused(FileSink::open(directory.path(name)), directory.path(name), other.pid());
    }
    EXPECT_EQ(test::read_file(path).size(), 4U) << "nothing is emptied before the lock";
  }
  auto sink = FileSink::open(path);
  EXPECT_TRUE(sink->lock().value_or(false)) << "the lock ends with its process";
}

TEST(FileLock, PipesAreLockedToo) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const OtherCapture other([&] { return FileSink::open(path); });
  expect_refused(FileSink::open(path), path, other.pid());
}

// `{ xdpcap a - & xdpcap b -; } > file`: one descriptor.
TEST(FileLock, AStandardOutputThatIsSharedIsLocked) {
  const TemporaryDirectory directory;
  const int old = ::dup(STDOUT_FILENO);
  const UniqueFd file(::open(directory.path("f").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ::dup2(file.get(), STDOUT_FILENO);
  {
    const OtherCapture other([] { return FileSink::open("-"); });
    expect_refused(FileSink::open("-"), "standard output", other.pid());
  }
  ::dup2(old, STDOUT_FILENO);
  ::close(old);
}

TEST(FileLock, DevicesAreForEverybody) {
  const OtherCapture other([] { return FileSink::open("/dev/null"); });
  auto sink = FileSink::open("/dev/null");
  EXPECT_TRUE(sink->lock().value_or(false));
}

// On SMB, a lock keeps others from what is locked; and `flock FILE xdpcap HOOK FILE` is no second capture.
TEST(FileLock, IsFarBehindWhatReadersReadAndNoFlock) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("f");
  const OtherCapture other([&] { return FileSink::open(path); });
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  struct flock all{};
  all.l_type = F_WRLCK;
  all.l_len = off_t{1} << 62;
  EXPECT_EQ(::fcntl(fd.get(), F_SETLK, &all), 0) << errno;
  const UniqueFd wrapper(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(::syscall(SYS_flock, wrapper.get(), 2 | 4), 0) << "LOCK_EX | LOCK_NB";
}

TEST(FileLock, AFileThatIsDeletedMeanwhileIsNotWrittenTo) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("f");
  auto sink = FileSink::open(path);
  ASSERT_EQ(::unlink(path.c_str()), 0);
  const Result<bool> locked = sink->lock();
  ASSERT_FALSE(locked.has_value());
  EXPECT_EQ(locked.error().message,
            "write to " + path + ": it was deleted the moment it was opened; start again");
}

/// Lets this process's F_SETLK fail, as on a file system that has no locks.
void refuse_locks(int error) {
  std::array filter = {
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 3),
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_SETLK, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = filter.size(), .filter = filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    ::_exit(2);
  }
}

TEST(FileLock, WithoutLocksTheCaptureGoesOn) {
  const TemporaryDirectory directory;
  for (const int error : {ENOLCK, EOPNOTSUPP, EINVAL, ENOSYS, EACCES}) {
    const pid_t child = ::fork();
    if (child == 0) {
      refuse_locks(error);
      auto sink = FileSink::open(directory.path("f"));
      const Result<bool> locked = sink->lock();
      ::_exit(locked.has_value() && !*locked ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << error << ": " << status;
  }
}

}  // namespace
}  // namespace xdpcap

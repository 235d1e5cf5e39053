// SPDX-License-Identifier: BSD-3-Clause
//
// xdpcap started where something usual is missing or strange: descriptors, signals, the run directory, /proc.

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "kernel/map.h"
#include "ordinary_user.h"
#include "privilege/sanitized.h"
#include "stage.h"
#include "traffic.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;

class Surroundings : public ResourceFaults {
 protected:
  const Stage& stage() const { return *stage_; }
  std::string file() const { return stage_->file("out.pcapng"); }
  std::vector<std::string> capture(std::vector<std::string> options = {}) const {
    options.insert(options.end(), {"-c", "30", stage_->rig().hook(), file()});
    return stage_->command(options);
  }
  void expect_works(const std::vector<std::string>& command) const {
    EXPECT_TRUE(ends_well(*stage_, command, file()));
    EXPECT_EQ(packets_in(file()).size(), 30U);
  }
  void SetUp() override {
    ResourceFaults::SetUp();
    stage_.emplace();
    traffic_.emplace(stage_->rig());
  }
  void TearDown() override {
    traffic_->stop();
    traffic_.reset();
    stage_.reset();
    ResourceFaults::TearDown();
  }

 private:
  std::optional<Stage> stage_;
  std::optional<Traffic> traffic_;
};

TEST_F(Surroundings, WithoutStandardDescriptors) {
  const Outcome outcome = run(in_shell("exec <&- >&- 2>&-", capture()));
  EXPECT_EQ(outcome.end.exit_code, 0);
  EXPECT_EQ(packets_in(file()).size(), 30U);
  stage().expect_nothing_left();
}

// The first file that it opens is not taken for it.
TEST_F(Surroundings, WithoutStandardOutputNothingIsWrittenThere) {
  const Outcome outcome =
      run(in_shell("exec <&- >&-", stage().command({stage().rig().hook(), "-"})));
  EXPECT_EQ(outcome.end.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("standard output: it is not open for writing"));
  stage().expect_nothing_left();
}

TEST_F(Surroundings, WithSignalsIgnored) {
  expect_works(in_shell("trap '' CHLD PIPE HUP USR1 USR2 TERM", capture()));
}

TEST_F(Surroundings, WithoutAnEnvironment) {
  expect_works(in_shell("export TMPDIR=/nowhere XDPCAP_COMMAND=x MALLOC_ARENA_MAX=1", capture()));
  std::vector<std::string> bare = {"env", "-i"};
  if (kIsSanitized) {
    bare.emplace_back("ASAN_OPTIONS=detect_leaks=0");
  }
  const std::vector<std::string> command = capture();
  bare.insert(bare.end(), command.begin(), command.end());
  expect_works(bare);
}

TEST_F(Surroundings, WithoutProc) {
  const Outcome outcome = run({"unshare", "--mount", "--propagation", "private", "bash", "-c",
                               "umount -l /proc && exec \"$@\"", "bash", XDPCAP_COMMAND, "-c", "30",
                               stage().rig().hook(), file()});
  EXPECT_EQ(outcome.end.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("/proc"));
  EXPECT_FALSE(std::filesystem::exists(file()));
  stage().expect_nothing_left();
}

TEST_F(Surroundings, WithARunDirectoryThatIsNone) {
  const std::string strange = stage().file("strange");
  std::ofstream(strange) << "a file";
  expect_works(capture({"-run-dir", strange}));
  expect_works(capture({"-run-dir", "/dev/null"}));
  expect_works(capture({"-run-dir", stage().file("missing/directory")}));
  expect_works(capture({"-run-dir", "/proc"}));
  expect_works(capture({"-run-dir", stage().file(std::string(120, 'x'))}));
}

TEST_F(Surroundings, WithARunDirectoryThatIsASymbolicLink) {
  const std::string link = stage().file("link");
  std::filesystem::create_directory(stage().file("real"));
  std::filesystem::create_directory_symlink(stage().file("real"), link);
  expect_works(capture({"-run-dir", link}));
  std::filesystem::create_symlink("/nowhere", stage().file("dangling"));
  expect_works(capture({"-run-dir", stage().file("dangling")}));
}

TEST_F(Surroundings, WithALockThatIsASymbolicLinkOrAPipe) {
  std::filesystem::create_directory(stage().run_directory());
  const std::string lock = stage().run_directory() + "/lock";
  std::filesystem::create_symlink(stage().file("elsewhere"), lock);
  expect_works(capture());
  EXPECT_FALSE(std::filesystem::exists(stage().file("elsewhere")));
  std::filesystem::remove(lock);
  ASSERT_EQ(::mkfifo(lock.c_str(), 0600), 0);
  expect_works(capture());
}

TEST_F(Surroundings, WithARunDirectoryThatIsFull) {
  const WorkDirectory full(4096);
  std::ofstream(full.file("all")) << std::string(4096, 'x');
  expect_works(capture({"-run-dir", full.file("run")}));
}

TEST_F(Surroundings, WithTheLockHeldByAnother) {
  std::filesystem::create_directory(stage().run_directory());
  Process holder({"flock", stage().run_directory() + "/lock", "sleep", "60"});
  EXPECT_TRUE(becomes_true([&] {
    return run({"flock", "-n", stage().run_directory() + "/lock", "true"}).end.exit_code != 0;
  }));
  expect_works(capture());
}

/// A socket that looks like a guardian's: of a process that lives, or, with a backlog of 0, of one that does not.
class FalseGuardian {
 public:
  FalseGuardian(const Stage& stage, int backlog)
      : fd_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    std::filesystem::create_directories(stage.run_directory());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_ = fmt::format("{}/{}.0123456789abcdef.sock", stage.run_directory(),
                        map_info(stage.hook_fd())->id);
    std::memcpy(address.sun_path, path_.data(), path_.size());
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    if (backlog > 0) {
      EXPECT_EQ(::listen(fd_.get(), backlog), 0);
    } else {
      fd_.reset();
    }
  }
  const std::string& path() const { return path_; }

 private:
  UniqueFd fd_;
  std::string path_;
};

TEST_F(Surroundings, WithTheSocketOfADeadGuardian) {
  const FalseGuardian dead(stage(), 0);
  expect_works(without_capabilities("sys_admin", capture()));
  EXPECT_FALSE(std::filesystem::exists(dead.path()));
}

TEST_F(Surroundings, WithASocketThatNeverAnswers) {
  const FalseGuardian silent(stage(), 1);
  const Outcome outcome = run(without_capabilities("sys_admin", capture()));
  EXPECT_EQ(outcome.end.exit_code, 0) << outcome.errors;
  EXPECT_EQ(packets_in(file()).size(), 30U);
  std::filesystem::remove(silent.path());
  stage().expect_nothing_left();
}

}  // namespace
}  // namespace xdpcap::test

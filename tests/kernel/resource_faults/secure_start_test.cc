// SPDX-License-Identifier: BSD-3-Clause
//
// xdpcap that is set-user-ID root, started by somebody who is not: a capture works, and no file is read or written that its user may
// not read or write.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "ordinary_user.h"
#include "stage.h"
#include "traffic.h"

namespace xdpcap::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class SecureStart : public ResourceFaults {
 protected:
  void SetUp() override {
    ResourceFaults::SetUp();
    stage_.emplace();
    user_.emplace(*stage_);
    if (!user_->give_roots_rights()) {
      GTEST_SKIP() << "the temporary directory lies on a file system without set-user-ID (nosuid)";
    }
    std::ofstream(secret_) << "secret words\n";
    std::filesystem::permissions(secret_, std::filesystem::perms::owner_read);
  }
  void TearDown() override {
    stage_.reset();
    ResourceFaults::TearDown();
  }

  const Stage& stage() const { return *stage_; }
  std::string hook() const { return stage().rig().hook(); }
  std::string file() const { return stage().file("out.pcapng"); }
  std::vector<std::string> command(const std::vector<std::string>& options) const {
    return user_->plain_command(stage().arguments(options));
  }

  void expect_refused(const std::vector<std::string>& options, const auto& says) const {
    const Outcome outcome = run(command(options));
    EXPECT_NE(outcome.end.exit_code, 0);
    EXPECT_THAT(outcome.errors, AllOf(says, Not(HasSubstr("secret words"))));
    stage().expect_nothing_left();
  }
  // A capture that ends with its count works all the same.
  void expect_works(const std::vector<std::string>& before = {}) const {
    const Traffic traffic(stage().rig());
    std::vector<std::string> words = before;
    const std::vector<std::string> capture = command({"-c", "30", hook(), file()});
    words.insert(words.end(), capture.begin(), capture.end());
    EXPECT_TRUE(ends_well(stage(), words, file()));
  }

  std::optional<Stage> stage_;
  std::optional<OrdinaryUser> user_;
  WorkDirectory roots_;  // where only root may write
  std::string secret_ = roots_.file("secret");
};

// The line of /proc/PID/status that begins with `key`.
std::string status_line(pid_t pid, const std::string& key) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ":\t")) {
      return line.substr(key.size() + 2);
    }
  }
  return "";
}

TEST_F(SecureStart, CapturesAsWhoStartedIt) {
  Traffic traffic(stage().rig());
  Process capture(command({hook(), file()}));
  ASSERT_TRUE(becomes_true([&] { return filled_slots(stage().hook_fd()) == 5; }))
      << capture.errors();
  note_bpf_objects(capture.pid());
  traffic.await_rounds(20);
  const std::string id = fmt::format("{0}\t{0}\t{0}\t{0}", OrdinaryUser::kUser);
  EXPECT_EQ(status_line(capture.pid(), "Uid"), id);
  EXPECT_EQ(status_line(capture.pid(), "Gid"), id);
  EXPECT_TRUE(
      becomes_true([&] { return status_line(capture.pid(), "CapEff") == "0000000000000000"; }));
  EXPECT_EQ(status_line(capture.pid(), "CapPrm"), "0000000000000000");
  ASSERT_EQ(stage().guardians().size(), 1U);
  EXPECT_EQ(status_line(stage().guardians().front(), "Uid"), id);
  capture.signal(SIGINT);
  EXPECT_EQ(capture.wait().exit_code, 0) << capture.errors();
  struct stat status{};
  ASSERT_EQ(::stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, OrdinaryUser::kUser);
  traffic.stop();
  stage().expect_nothing_left();
}

TEST_F(SecureStart, TouchesNoFileThatItsUserMayNot) {
  const auto denied = HasSubstr("ermission denied");
  const auto not_to_write = HasSubstr("no permission to write there");
  expect_refused({hook(), roots_.file("out.pcapng")}, not_to_write);
  expect_refused({hook(), secret_}, not_to_write);
  expect_refused({"-F", secret_, hook(), file()}, denied);
  expect_refused({"-stats-prometheus", roots_.file("stats"), hook(), file()}, denied);
  EXPECT_FALSE(std::filesystem::exists(roots_.file("out.pcapng")));
  EXPECT_FALSE(std::filesystem::exists(roots_.file("stats")));
  std::ifstream secret(secret_);
  EXPECT_EQ((std::ostringstream() << secret.rdbuf()).str(), "secret words\n");
  expect_works();
}

TEST_F(SecureStart, OpensNoHookThatItsUserMayNot) {
  ASSERT_EQ(::chown(hook().c_str(), 0, 0), 0);
  expect_refused({hook(), file()}, HasSubstr("this user may not read and write the pin"));
  ASSERT_EQ(::chown(hook().c_str(), OrdinaryUser::kUser, OrdinaryUser::kUser), 0);
  expect_works();
}

TEST_F(SecureStart, IsNoGuardian) {
  std::vector<std::string> words = command({});
  const std::string program = stage().file("xdpcap");
  words.erase(std::ranges::find(words, program), words.end());
  words.insert(words.end(), {"bash", "-c", "exec -a xdpcap-guardian " + program});
  EXPECT_EQ(run(words).end.exit_code, 2);
  expect_works();
}

TEST_F(SecureStart, HeedsNoEnvironment) {
  // What loads libraries, names files and formats messages.
  expect_works({"env", "LD_PRELOAD=" + roots_.file("no.so"), "LD_LIBRARY_PATH=.",
                "LD_AUDIT=" + roots_.file("no.so"), "TMPDIR=/proc", "HOME=" + roots_.file("home"),
                "GCONV_PATH=.", "LOCPATH=.", "MALLOC_TRACE=" + roots_.file("trace"),
                "GLIBC_TUNABLES=glibc.malloc.check=3", "LANG=xx_YY"});
  EXPECT_FALSE(std::filesystem::exists(roots_.file("trace")));
}

}  // namespace
}  // namespace xdpcap::test

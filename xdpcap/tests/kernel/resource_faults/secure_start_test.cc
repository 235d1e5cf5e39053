// SPDX-License-Identifier: BSD-3-Clause
//
// xdpcap whose file gives rights to the user who starts it.  Set-user-ID and set-group-ID it refuses; with capabilities of its file a
// capture works, and no file is read or written that its user may not read or write.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xdpcap/kernel/features.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "xdpcap/privilege/system_calls.h"
#include "xdpcap/tests/kernel/resource_faults/ordinary_user.h"
#include "xdpcap/tests/kernel/resource_faults/stage.h"
#include "xdpcap/tests/kernel/resource_faults/traffic.h"

namespace xdpcap::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint64_t bit(unsigned capability) {
  return std::uint64_t{1} << capability;
}
constexpr std::uint64_t kEnough = bit(CAP_BPF) | bit(CAP_NET_ADMIN) | bit(CAP_PERFMON);

class SecureStart : public ResourceFaults {
 protected:
  void SetUp() override {
    ResourceFaults::SetUp();
    stage_.emplace();
    user_.emplace(*stage_);
    user_->prepare_chain_directory(*stage_);
    std::ofstream(secret_) << "secret words\n";
    std::filesystem::permissions(secret_, std::filesystem::perms::owner_read);
    if (!user_->may_give_rights()) {
      GTEST_SKIP() << "the temporary directory lies on a file system without set-user-ID (nosuid)";
    }
    user_->give_capabilities(kEnough);
  }
  void TearDown() override {
    stage_.reset();
    ResourceFaults::TearDown();
  }

  const Stage& stage() const { return *stage_; }
  const OrdinaryUser& user() const { return *user_; }
  std::string hook() const { return stage().rig().hook(); }
  std::string file() const { return stage().file("out.pcapng"); }
  std::vector<std::string> command(const std::vector<std::string>& options) const {
    return user_->plain_command(options);
  }

  void expect_refused(const std::vector<std::string>& options, const auto& says) const {
    const Outcome outcome = run(command(options));
    EXPECT_NE(outcome.end.exit_code, 0);
    EXPECT_THAT(outcome.errors, AllOf(says, Not(HasSubstr("secret words"))));
    stage().expect_nothing_left();
  }
  // A capture that ends with its count works all the same.
  void expect_works(const std::vector<std::string>& before = {},
                    const std::vector<std::string>& options = {}) const {
    const Traffic traffic(stage().rig());
    std::vector<std::string> words = before;
    std::vector<std::string> arguments = {"-c", "30"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.insert(arguments.end(), {hook(), file()});
    const std::vector<std::string> capture = command(arguments);
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

TEST_F(SecureStart, WithTheRightsOfAnotherUserIsRefused) {
  for (const int bits : {S_ISUID, S_ISGID, S_ISUID | S_ISGID}) {
    user().give_rights_of_root(static_cast<mode_t>(bits));
    for (const std::vector<std::string>& options : {std::vector<std::string>{hook(), file()},
                                                    {"-version"},
                                                    {"-F", secret_, hook(), file()}}) {
      const Outcome outcome = run(command(options));
      EXPECT_EQ(outcome.end.exit_code, 1);
      EXPECT_EQ(outcome.output, "");
      EXPECT_THAT(outcome.errors,
                  AllOf(HasSubstr("xdpcap: start as user "), HasSubstr("use sudo"),
                        HasSubstr("chmod ug-s, then setcap cap_bpf,cap_net_admin,cap_perfmon+ep")));
      if (!kIsSanitized) {  // which cannot look for leaks in it, and says so
        EXPECT_EQ(split(outcome.errors, '\n').size(), 2U) << outcome.errors;
      }
    }
  }
  EXPECT_FALSE(std::filesystem::exists(file()));
  stage().expect_nothing_left();
}

TEST_F(SecureStart, CapturesAsTheUserWhoStartedIt) {
  Traffic traffic(stage().rig());
  Process capture(command({hook(), file()}));
  ASSERT_TRUE(becomes_true([&] { return filled_slots(stage().hook_fd()) == 5; }))
      << capture.errors();
  note_bpf_objects(capture.pid());
  traffic.await_rounds(20);
  const std::string id = fmt::format("{0}\t{0}\t{0}\t{0}", OrdinaryUser::kUser);
  EXPECT_EQ(status_line(capture.pid(), "Uid"), id);
  EXPECT_EQ(status_line(capture.pid(), "Gid"), id);
  // CAP_BPF, where maps are not for everybody who has their descriptors.
  const std::string kept = maps_are_for_everybody() ? "0000000000000000" : "0000008000000000";
  EXPECT_TRUE(becomes_true([&] { return status_line(capture.pid(), "CapEff") == kept; }));
  EXPECT_EQ(status_line(capture.pid(), "CapPrm"), kept);
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

TEST_F(SecureStart, OutlivesTheDeathOfItsCapture) {
  Process capture(command({hook(), file()}));
  ASSERT_TRUE(becomes_true([&] { return filled_slots(stage().hook_fd()) == 5; }))
      << capture.errors();
  note_bpf_objects(capture.pid());
  capture.signal(SIGKILL);
  EXPECT_EQ(capture.wait().signal, SIGKILL);
  stage().expect_nothing_left();
}

TEST_F(SecureStart, TouchesNoFileThatItsUserMayNot) {
  // Also if its file has capabilities that would.
  user().give_capabilities(kEnough | bit(CAP_DAC_OVERRIDE) | bit(CAP_DAC_READ_SEARCH) |
                           bit(CAP_SETUID) | bit(CAP_FOWNER) | bit(CAP_SYS_PTRACE));
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

TEST_F(SecureStart, NeedsAPlaceBesideTheHook) {
  const std::string directory = fmt::format("{}-xdpcap-{}", hook(), OrdinaryUser::kUser);
  ASSERT_EQ(::rmdir(directory.c_str()), 0);
  expect_refused({hook(), file()}, HasSubstr(fmt::format("install -d -m 700 -o {} {}",
                                                         OrdinaryUser::kUser, directory)));
  // Where it may make one, it does, and takes it away.
  const std::string beside = stage().rig().pins().path();
  ASSERT_EQ(::chown(beside.c_str(), OrdinaryUser::kUser, OrdinaryUser::kUser), 0);
  expect_works();
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST_F(SecureStart, HeedsNoEnvironment) {
  // What loads libraries, names files and formats messages.
  expect_works({"env", "LD_PRELOAD=" + roots_.file("no.so"), "LD_LIBRARY_PATH=.",
                "LD_AUDIT=" + roots_.file("no.so"), "TMPDIR=/proc", "HOME=" + roots_.file("home"),
                "GCONV_PATH=.", "LOCPATH=.", "MALLOC_TRACE=" + roots_.file("trace"),
                "GLIBC_TUNABLES=glibc.malloc.check=3", "LANG=xx_YY"});
  EXPECT_FALSE(std::filesystem::exists(roots_.file("trace")));
}

TEST_F(SecureStart, ReadsAFilterAndWritesStatisticsOfItsUser) {
  const std::string filter = stage().file("filter");
  std::ofstream(filter) << "greater 1";
  expect_works({}, {"-F", filter, "-stats-prometheus", stage().file("stats")});
  EXPECT_TRUE(std::filesystem::exists(stage().file("stats")));
}

}  // namespace
}  // namespace xdpcap::test

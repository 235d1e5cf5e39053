// SPDX-License-Identifier: BSD-3-Clause
//
// xdpcap started where something usual is missing or strange: descriptors, signals, the run directory, /proc.

#include <fcntl.h>
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

#include "xdpcap/kernel/map.h"
#include "xdpcap/privilege/system_calls.h"
#include "xdpcap/tests/kernel/resource_faults/ordinary_user.h"
#include "xdpcap/tests/kernel/resource_faults/stage.h"
#include "xdpcap/tests/kernel/resource_faults/traffic.h"

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

}  // namespace
}  // namespace xdpcap::test

// SPDX-License-Identifier: BSD-3-Clause
//
// xdpcap in a memory cgroup with too little memory: the kernel kills, and the guardian takes out.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "xdpcap/tests/kernel/resource_faults/stage.h"
#include "xdpcap/tests/kernel/resource_faults/traffic.h"

namespace xdpcap::test {
namespace {

/// A memory cgroup, of version 1 or 2, until the object goes; its processes must have ended by then.
class MemoryGroup {
 public:
  /// nullopt: this machine has none, or does not let us make one.
  static std::optional<MemoryGroup> make(std::uint64_t limit_bytes) {
    const bool is_v1 = std::filesystem::exists("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    MemoryGroup group(
        fmt::format("/sys/fs/cgroup{}/xdpcap-test-{}", is_v1 ? "/memory" : "", ::getpid()));
    if (::mkdir(group.path_.c_str(), 0755) != 0) {
      group.path_.clear();
      return std::nullopt;
    }
    const std::string limit = group.path_ + (is_v1 ? "/memory.limit_in_bytes" : "/memory.max");
    if (!std::filesystem::exists(limit) || !(std::ofstream(limit) << limit_bytes << std::flush)) {
      return std::nullopt;
    }
    return group;
  }
  MemoryGroup(MemoryGroup&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  MemoryGroup& operator=(MemoryGroup&&) = delete;
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;
  ~MemoryGroup() {
    if (!path_.empty()) {
      EXPECT_TRUE(becomes_true([&] { return ::rmdir(path_.c_str()) == 0; }));
    }
  }

  std::vector<std::string> inside(const std::vector<std::string>& command) const {
    return in_shell(fmt::format("echo $$ > {}/cgroup.procs", path_), command);
  }

 private:
  explicit MemoryGroup(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

class MemoryGroups : public ResourceFaults {};

constexpr const char* kNoGroups = "no memory cgroup can be made (CONFIG_MEMCG, mounted writable)";

TEST_F(MemoryGroups, TooSmallForTheBuffersEndTheCaptureBeforeItBegins) {
  const Stage stage;
  Traffic traffic(stage.rig());
  const std::optional<MemoryGroup> group = MemoryGroup::make(24U << 20U);
  if (!group) {
    GTEST_SKIP() << kNoGroups;
  }
  for (const char* memory : {"-ring", "-buffer"}) {
    SCOPED_TRACE(memory);
    Process capture(group->inside(
        stage.command({memory, "200M", stage.rig().hook(), stage.file("out.pcapng")})));
    const Ended end = capture.wait();
    EXPECT_TRUE(end.is_over);
    EXPECT_TRUE(end.signal == SIGKILL || end.exit_code == 1) << capture.errors();
    stage.expect_nothing_left();
  }
  traffic.stop();
}

TEST_F(MemoryGroups, WhoseKernelKillsACaptureAreLeftCleanly) {
  const Stage stage;
  Traffic traffic(stage.rig());
  const std::optional<MemoryGroup> group = MemoryGroup::make(96U << 20U);
  if (!group) {
    GTEST_SKIP() << kNoGroups;
  }
  const std::string file = stage.file("out.pcapng");
  Process capture(group->inside(stage.command({"-buffer", "1M", stage.rig().hook(), file})));
  EXPECT_TRUE(becomes_true([&] { return filled_slots(stage.hook_fd()) == 5; })) << capture.errors();
  note_bpf_objects(capture.pid());
  traffic.await_rounds(20);
  std::ofstream(fmt::format("/proc/{}/oom_score_adj", capture.pid())) << 1000;
  Process hog(group->inside({"tail", "/dev/zero"}));
  EXPECT_EQ(capture.wait().signal, SIGKILL);
  EXPECT_TRUE(becomes_true([&] { return filled_slots(stage.hook_fd()) == 0; }, Millis(1'000)));
  EXPECT_EQ(hog.wait().signal, SIGKILL);
  stage.expect_nothing_left();
  packets_in(file);  // expects that libpcap reads all of it
  traffic.stop();
}

}  // namespace
}  // namespace xdpcap::test

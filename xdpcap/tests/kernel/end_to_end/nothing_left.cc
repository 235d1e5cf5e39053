// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/end_to_end/nothing_left.h"

#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/objects.h"
#include "xdpcap/tests/kernel/end_to_end/process.h"
#include "xdpcap/tests/kernel/process_identity.h"

namespace xdpcap::test {
namespace {

// What the tests of this program have had, by note_bpf_objects().
BpfObjects& noted() {
  static BpfObjects objects;
  return objects;
}

// Guardians of captures, likewise.
std::vector<ProcessIdentity>& noted_guardians() {
  static std::vector<ProcessIdentity> processes;
  return processes;
}

std::vector<pid_t> note_children(pid_t pid) {
  std::vector<pid_t> noted = {::getpid(), pid};
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", pid));
  for (pid_t child = 0; children >> child;) {
    if (std::optional<ProcessIdentity> identity = identity_of(child)) {
      noted_guardians().push_back(*identity);
      noted.push_back(child);
    }
  }
  return noted;
}

bool is_any_running(const std::vector<ProcessIdentity>& processes) {
  return std::ranges::any_of(processes, [](const ProcessIdentity& process) {
    return is_running(process).value_or(false);
  });
}

}  // namespace

void note_bpf_objects(pid_t pid) {
  const std::vector<pid_t> processes = note_children(pid);
  const auto note = [](std::string_view line, std::string_view field, std::set<std::uint32_t>& to) {
    std::uint32_t id = 0;
    if (line.starts_with(field) &&
        std::from_chars(line.data() + field.size(), line.data() + line.size(), id).ec ==
            std::errc()) {
      to.insert(id);
    }
  };
  for (const pid_t process : processes) {
    std::error_code gone;
    for (const auto& entry :
         std::filesystem::directory_iterator(fmt::format("/proc/{}/fdinfo", process), gone)) {
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) {
        note(line, "prog_id:\t", noted().programs);
        note(line, "map_id:\t", noted().maps);
      }
    }
  }
}

void EndToEndTest::SetUp() {
  require_root();
  noted() = {};
  noted_guardians().clear();
  descriptors_ = open_descriptors();
}

void EndToEndTest::TearDown() {
  EXPECT_EQ(open_descriptors(), descriptors_);
  EXPECT_TRUE(IsSkipped() || !noted().programs.empty())
      << "the test noted nothing, so the next line shows nothing";
  EXPECT_TRUE(becomes_true([] { return !is_any_running(noted_guardians()); }))
      << "a guardian is left";
  const BpfObjects left = still_there(noted());
  EXPECT_TRUE(left.empty()) << "programs " << testing::PrintToString(left.programs) << ", maps "
                            << testing::PrintToString(left.maps);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a process is left";
  const std::string ours = fmt::format("xdpcap-test-{}-", ::getpid());
  for (const auto& entry : std::filesystem::directory_iterator("/run/netns")) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(ours)) << entry.path();
  }
}

}  // namespace xdpcap::test

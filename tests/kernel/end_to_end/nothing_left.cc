// SPDX-License-Identifier: BSD-3-Clause

#include "nothing_left.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace xdpcap::test {
namespace {

// What the tests of this program have had, by note_bpf_objects().
BpfObjects& noted() {
  static BpfObjects objects;
  return objects;
}

}  // namespace

void note_bpf_objects(pid_t pid) {
  const auto note = [](std::string_view line, std::string_view field, std::set<std::uint32_t>& to) {
    std::uint32_t id = 0;
    if (line.starts_with(field) &&
        std::from_chars(line.data() + field.size(), line.data() + line.size(), id).ec ==
            std::errc()) {
      to.insert(id);
    }
  };
  for (const pid_t process : {::getpid(), pid}) {
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
  descriptors_ = open_descriptors();
}

void EndToEndTest::TearDown() {
  EXPECT_EQ(open_descriptors(), descriptors_);
  EXPECT_FALSE(noted().programs.empty())
      << "the test noted nothing, so the next line shows nothing";
  EXPECT_TRUE(still_there(noted()).empty());
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a process is left";
  const std::string ours = fmt::format("xdpcap-test-{}-", ::getpid());
  for (const auto& entry : std::filesystem::directory_iterator("/run/netns")) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(ours)) << entry.path();
  }
}

}  // namespace xdpcap::test

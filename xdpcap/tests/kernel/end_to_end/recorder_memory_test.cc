// SPDX-License-Identifier: BSD-3-Clause
//
// The memory of a flight recorder is what was asked for, from the start to the end.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/flood.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

using testing::StartsWith;

constexpr std::uint64_t kPacketBytes = 48 + 200;  // of Flood, in memory

class RecorderMemory : public EndToEndTest {};

/// Bytes in memory, now.
std::uint64_t resident_bytes(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) {
      return std::stoull(line.substr(line.find_first_of("0123456789"))) << 10U;
    }
  }
  return 0;
}

TEST_F(RecorderMemory, IsTakenAtTheStartAndNoMore) {
  const Rig rig;
  rig.target().want(kDrop);
  constexpr std::uint64_t kBytes = 64ULL << 20U;
  const std::string file = rig.file("out.pcapng");
  Capture capture(rig.target().hook_fd(), {"-q", "-ring", "64M", rig.hook(), file});
  const pid_t pid = capture.process().pid();
  const std::uint64_t at_start = resident_bytes(pid);
  EXPECT_GE(at_start, kBytes);
  EXPECT_LT(at_start, kBytes + (64ULL << 20U));
  {
    const std::uint64_t before = rig.arrived_frames();
    const Flood flood(rig);
    EXPECT_TRUE(becomes_true(
        [&] { return rig.arrived_frames() - before > 8 * kBytes / kPacketBytes; }, Millis(30'000)));
    capture.process().signal(SIGUSR1);
    EXPECT_TRUE(becomes_true([&] { return std::filesystem::file_size(file) > kBytes; }));
  }
  EXPECT_LT(resident_bytes(pid), at_start + (16ULL << 20U));
  capture.stop();
}

// A machine without the memory: an address space that is too small stands for it.
TEST_F(RecorderMemory, ThatIsNotThereIsNoticedBeforeAnythingIsAttached) {
  const Rig rig;
  note_bpf_objects(::getpid());
  const std::string file = rig.file("out.pcapng");
  std::vector<std::string> command = {"prlimit", "--as=1000000000"};
  for (const std::string& word : xdpcap_command({"-ring", "1G", rig.hook(), file})) {
    command.push_back(word);
  }
  const Outcome outcome = run(command);
  EXPECT_EQ(outcome.end.exit_code, 1);
  EXPECT_THAT(outcome.errors, StartsWith("xdpcap: option -ring: allocate 1073741824 bytes for the "
                                         "flight recorder: Cannot allocate memory"));
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_EQ(filled_slots(rig.target().hook_fd()), 0U);
}

}  // namespace
}  // namespace xdpcap::test

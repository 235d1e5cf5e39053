// SPDX-License-Identifier: BSD-3-Clause
//
// Does a capture that others come and go beside stay what it was?  Its memory, that of its guardian, and the descriptors of both are
// looked at once a second, for ten minutes or XDPCAP_SOAK_SECONDS; what is taken in the first tenth and not given back is
// no growth.  The captures that come and go are those of the crowd (coming_and_going.h).
//
// Run by verify/nightly.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "xdpcap/tests/kernel/faults/coming_and_going.h"

namespace xdpcap::test {
namespace {

using std::chrono::steady_clock;

std::chrono::seconds duration() {
  constexpr int kUsual = 600;
  const char* const given = std::getenv("XDPCAP_SOAK_SECONDS");  // NOLINT(concurrency-mt-unsafe)
  return std::chrono::seconds(given != nullptr ? std::atoi(given) : kUsual);
}

std::uint64_t resident_kib(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/statm", pid));
  std::uint64_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

std::uint64_t descriptors(pid_t pid) {
  std::error_code gone;
  const std::filesystem::directory_iterator entries(fmt::format("/proc/{}/fd", pid), gone);
  return static_cast<std::uint64_t>(std::distance(begin(entries), end(entries)));
}

/// A number over time.
struct Course {
  std::uint64_t warm = 0;  ///< most of the first tenth
  std::uint64_t most = 0;
  std::uint64_t last = 0;
  void add(std::uint64_t value, bool is_warming_up) {
    warm = is_warming_up ? std::max(warm, value) : warm;
    most = std::max(most, value);
    last = value;
  }
};

struct Courses {
  Course memory_kib;
  Course descriptors;
  void add(pid_t pid, bool is_warming_up) {
    memory_kib.add(resident_kib(pid), is_warming_up);
    descriptors.add(test::descriptors(pid), is_warming_up);
  }
  void judge(const char* name) const {
    constexpr std::uint64_t kSlackKib = 256;
    EXPECT_LE(memory_kib.most, memory_kib.warm + kSlackKib) << name;
    EXPECT_LE(descriptors.last, descriptors.warm) << name;
    fmt::print(
        "{}: memory {} KiB warm, {} at most, {} last; descriptors {} warm, {} at most, {} last\n",
        name, memory_kib.warm, memory_kib.most, memory_kib.last, descriptors.warm, descriptors.most,
        descriptors.last);
  }
};

class ChainSoak : public FaultTest {};

TEST_F(ChainSoak, ALongCaptureAndItsGuardianStayWhatTheyWere) {
  const Stage stage;
  SharedCapture lasting(stage, "/dev/null", {"-s", "64", "-B", "256K"});
  ASSERT_TRUE(lasting.enters());
  const pid_t guardian = lasting.guardian().value();
  Traffic traffic(stage.rig());
  ComingAndGoing crowd(stage, traffic, {.most = 7, .seed = 600});
  Courses of_capture;
  Courses of_guardian;
  const auto start = steady_clock::now();
  auto next_look = start;
  while (steady_clock::now() < start + duration()) {
    crowd.step();
    if (const auto now = steady_clock::now(); now >= next_look) {
      next_look = now + std::chrono::seconds(1);
      const bool is_warming_up = now < start + duration() / 10;
      of_capture.add(lasting.pid(), is_warming_up);
      of_guardian.add(guardian, is_warming_up);
    }
  }
  crowd.end();
  clean_up_with_another(stage);
  EXPECT_TRUE(stage.are_members({lasting.pid()}, Millis(3'000)));
  const Tally tally = traffic.stop();
  const Totals totals = lasting.stop();
  expect_exact(totals, tally);
  expect_balance(totals);
  of_capture.judge("capture");
  of_guardian.judge("guardian");
  const CrowdFigures& figures = crowd.figures();
  fmt::print("{} started, {} stopped, {} killed, {} killed with guardian; {} frames, {} wrong\n",
             figures.started, figures.stopped, figures.killed, figures.killed_with_guardian,
             tally.sent(), tally.wrong);
}

}  // namespace
}  // namespace xdpcap::test

// SPDX-License-Identifier: BSD-3-Clause
//
// A capture killed at any moment leaves a file that every reader reads to its end.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <random>
#include <span>
#include <string>
#include <thread>

#include "xdpcap/pcapng/file_sink.h"
#include "xdpcap/pcapng/pcapng_writer.h"
#include "xdpcap/tests/pcapng/capture_files.h"

namespace xdpcap {
namespace {

constexpr int kKills = 50;
constexpr int kMaxKills = 1000;
constexpr int kWantedCuts = 5;  ///< kills that hit a write; without some the test proves nothing
constexpr std::uint64_t kMaxFileBytes = 8U << 20;

/// Writes packets as fast as it can, into the file again and again so that it stays small; never
/// returns.
[[noreturn]] void write_for_ever(const std::string& path, std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto bytes = test::make_bytes(4000, seed);
  while (true) {
    auto sink = FileSink::open(path);
    if (!sink.has_value()) {
      ::_exit(1);
    }
    auto writer = PcapngWriter::start(*sink, test::make_section(5));
    if (!writer.has_value()) {
      ::_exit(2);
    }
    while (sink->written_bytes() < kMaxFileBytes) {
      const auto packet = std::span(bytes).first(random() % (seed % 2 == 0 ? 4000 : 400));
      if (!writer->write({.interface = static_cast<std::uint32_t>(random()) % 5, .bytes = packet})
               .has_value()) {
        ::_exit(3);
      }
    }
  }
}

TEST(Kill, FilesOfKilledCapturesAreRead) {
  const test::TemporaryDirectory directory;
  std::mt19937 random(1);
  int cut_files = 0;
  int kills = 0;
  for (; kills < kKills || (cut_files < kWantedCuts && kills < kMaxKills); ++kills) {
    const std::string path = directory.path(fmt::format("{}.pcapng", kills));
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      write_for_ever(path, static_cast<std::uint32_t>(kills));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(5000 + random() % 40'000));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);

    const auto file = test::read_file(path);
    if (file.empty()) {
      continue;  // killed before the first write, or between two files
    }
    cut_files += file.size() % 4096 == 0 ? 1 : 0;
    ASSERT_EQ(test::read_with_libpcap(file).error, "") << file.size();
    if (kills % 10 == 0) {
      ASSERT_NO_FATAL_FAILURE(test::expect_tools_read(path));
    }
    ASSERT_EQ(::unlink(path.c_str()), 0);
  }
  // A file that ends on a page boundary was, but for chance, cut within a write.
  EXPECT_GE(cut_files, kWantedCuts) << "hardly a kill hit a write, so this run proves little";
  RecordProperty("cut_files", cut_files);
  fmt::print("{} of {} files were cut within a write\n", cut_files, kills);
}

}  // namespace
}  // namespace xdpcap

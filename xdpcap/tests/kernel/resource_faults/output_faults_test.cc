// SPDX-License-Identifier: BSD-3-Clause
//
// Outputs that go wrong, beside full disks and pipes (end_to_end/errors_test.cc, flood_faults_test.cc, output_test.cc) and calls that fail
// (call_errors_test.cc).

#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "xdpcap/tests/kernel/resource_faults/stage.h"
#include "xdpcap/tests/kernel/resource_faults/traffic.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;

class OutputFaults : public ResourceFaults {};

/// A terminal that nobody looks at.
class Terminal {
 public:
  Terminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    if (!master_.is_open() || ::grantpt(master_.get()) != 0 || ::unlockpt(master_.get()) != 0) {
      give_up("open a terminal");
    }
    slave_.reset(::open(::ptsname(master_.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  }
  std::string path() const { return ::ptsname(master_.get()); }
  int fd() const { return slave_.get(); }
  // Whether something is written there.
  bool has_output() const {
    pollfd wait{.fd = master_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&wait, 1, 5'000) > 0;
  }
  void close() {
    slave_.reset();
    master_.reset();
  }

 private:
  UniqueFd master_;
  UniqueFd slave_;
};

std::string last_line(const Process& process) {
  const std::vector<std::string> lines = split(process.errors(), '\n');
  return lines.size() > 1 ? lines[lines.size() - 2] : "";
}

TEST_F(OutputFaults, AReadOnlyFileSystemIsSaidBeforeAnythingIsAttached) {
  const Stage stage;
  const WorkDirectory files(1U << 20U);
  const std::string directory = std::filesystem::path(files.file("x")).parent_path();
  Traffic traffic(stage.rig());
  const std::string file = files.file("out.pcapng");
  Capture capture(stage.hook_fd(), std::vector<std::string>{stage.rig().hook(), file});
  EXPECT_NE(::mount("", directory.c_str(), "", MS_REMOUNT | MS_RDONLY, ""), 0)
      << "a file that is open for writing keeps it writable";
  traffic.await_rounds(10);
  capture.stop();
  expect_exact(capture.last_line(), file);
  ASSERT_EQ(::mount("", directory.c_str(), "", MS_REMOUNT | MS_RDONLY, ""), 0);
  const Outcome outcome = run(stage.command({stage.rig().hook(), files.file("other.pcapng")}));
  EXPECT_EQ(outcome.end.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("mounted read-only"));
  stage.expect_nothing_left();
  traffic.stop();
}

TEST_F(OutputFaults, AFileThatIsDeletedIsWrittenToTheEnd) {
  const Stage stage;
  const std::string file = stage.file("out.pcapng");
  Capture capture(stage.hook_fd(), std::vector<std::string>{stage.rig().hook(), file});
  Traffic traffic(stage.rig());
  traffic.await_rounds(10);
  UniqueFd kept(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  std::filesystem::remove(file);
  traffic.await_rounds(10);
  const std::uint64_t sent = traffic.stop();
  capture.stop();
  const Totals totals = parse_totals(capture.last_line());
  EXPECT_EQ(totals.received, sent);
  EXPECT_EQ(totals.written, sent);
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_EQ(packets_in(fmt::format("/proc/self/fd/{}", kept.get())).size(), sent);
  stage.expect_nothing_left();
}

TEST_F(OutputFaults, AFileWhoseDirectoryIsMovedIsWrittenToTheEnd) {
  const Stage stage;
  const std::string directory = stage.file("here");
  const std::string moved = stage.file("there");
  std::filesystem::create_directory(directory);
  Capture capture(stage.hook_fd(),
                  std::vector<std::string>{stage.rig().hook(), directory + "/out.pcapng"});
  Traffic traffic(stage.rig());
  traffic.await_rounds(10);
  std::filesystem::rename(directory, moved);
  traffic.await_rounds(10);
  const std::uint64_t sent = traffic.stop();
  capture.stop();
  expect_exact(capture.last_line(), moved + "/out.pcapng");
  EXPECT_EQ(parse_totals(capture.last_line()).written, sent);
  EXPECT_FALSE(std::filesystem::exists(directory));
  stage.expect_nothing_left();
}

// Answers go to standard error; a write to the pipe that a signal meets is taken up again.
TEST_F(OutputFaults, AThousandRequestsDoNotDisturbAPipe) {
  constexpr int kRequests = 1'000;
  const Stage stage;
  const std::string file = stage.file("out.pcapng");
  Pipe pipe;
  Capture capture(stage.hook_fd(), std::vector<std::string>{"-flush", stage.rig().hook(), "-"}, 5,
                  {.out = pipe.writer.get()});
  pipe.writer.reset();
  std::thread reader([&] {
    std::ofstream out(file, std::ios::binary);
    std::array<char, 512> bytes;
    for (ssize_t count = 0; (count = ::read(pipe.reader.get(), bytes.data(), bytes.size())) > 0;) {
      out.write(bytes.data(), count);
    }
  });
  Traffic traffic(stage.rig());
  for (int i = 0; i < kRequests; ++i) {
    capture.process().signal(i % 2 == 0 ? SIGUSR1 : SIGUSR2);
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  traffic.await_rounds(10);
  const std::uint64_t sent = traffic.stop();
  capture.stop();
  reader.join();
  EXPECT_EQ(packets_in(file).size(), sent);
  std::uint64_t accepted = 0;
  for (const FileStatistics& of_action : statistics_in(file)) {
    accepted += of_action.accepted;
  }
  EXPECT_EQ(accepted, sent);
  stage.expect_nothing_left();
}

TEST_F(OutputFaults, ALimitOfTheFilesSizeEndsTheCapture) {
  const Stage stage;
  Traffic traffic(stage.rig());
  const std::string file = stage.file("out.pcapng");
  Process capture(in_shell("ulimit -f 16", stage.command({"-flush", stage.rig().hook(), file})));
  const Ended end = capture.wait();
  EXPECT_TRUE(end.is_over);
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_THAT(capture.errors(), HasSubstr("see ulimit -f"));
  expect_exact(last_line(capture), file);
  EXPECT_GT(parse_totals(last_line(capture)).written, 50U);
  stage.expect_nothing_left();
  traffic.stop();
}

TEST_F(OutputFaults, ATerminalThatClosesEndsTheCapture) {
  const Stage stage;
  Terminal terminal;
  Traffic traffic(stage.rig());
  const Outcome refused = [&] {
    Process process(stage.command({stage.rig().hook(), "-"}), {.out = terminal.fd()});
    const Ended end = process.wait();
    return Outcome{.end = end, .output = "", .errors = process.errors()};
  }();
  EXPECT_EQ(refused.end.exit_code, 2);
  EXPECT_THAT(refused.errors, HasSubstr("standard output is a terminal"));
  stage.expect_nothing_left();

  Process capture(stage.command({"-flush", stage.rig().hook(), terminal.path()}));
  EXPECT_TRUE(becomes_true([&] { return filled_slots(stage.hook_fd()) == 5; })) << capture.errors();
  EXPECT_TRUE(terminal.has_output());
  terminal.close();
  EXPECT_TRUE(capture.wait().is_over) << capture.errors();
  EXPECT_EQ(capture.wait().signal, 0);
  const Totals totals = parse_totals(last_line(capture));
  EXPECT_EQ(totals.matched, totals.written + totals.unwritten + totals.lost);
  stage.expect_nothing_left();
  traffic.stop();
}

// The line of numbers goes there; the packets go on.
TEST_F(OutputFaults, AStatusTerminalThatClosesDoesNotMatter) {
  const Stage stage;
  Terminal terminal;
  const std::string file = stage.file("out.pcapng");
  Capture capture(stage.hook_fd(), std::vector<std::string>{stage.rig().hook(), file}, 5,
                  {.err = terminal.fd()});
  Traffic traffic(stage.rig());
  traffic.await_rounds(10);
  terminal.close();
  std::this_thread::sleep_for(Millis(1'200));  // a status line meanwhile
  const std::uint64_t sent = traffic.stop();
  capture.stop();
  EXPECT_EQ(packets_in(file).size(), sent);
  stage.expect_nothing_left();
}

}  // namespace
}  // namespace xdpcap::test

// SPDX-License-Identifier: BSD-3-Clause
//
// What xdpcap says on standard error while it captures, and at the end.

#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/flood.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class Statistics : public EndToEndTest {};

// 1 aborted, 2 dropped, 3 passed, 4 bounced and 5 redirected frames, every other one 100 bytes
// long.
std::vector<Bytes> frames() {
  std::vector<Bytes> all;
  for (std::uint32_t action = 0; action < 5; ++action) {
    for (std::uint32_t i = 0; i <= action; ++i) {
      all.push_back(order_frame(action, i, i % 2 == 0 ? 60 : 100));
    }
  }
  return all;
}

constexpr const char* kLine =
    "XDPAborted: 1/0 XDPDrop: 2/1 XDPPass: 3/1 XDPTx: 4/2 XDPRedirect: 5/2 (received/matched packets)";
constexpr const char* kNothingYet =
    "XDPAborted: 0/0 XDPDrop: 0/0 XDPPass: 0/0 XDPTx: 0/0 XDPRedirect: 0/0 (received/matched packets)";

TEST_F(Statistics, ArePrintedOnceASecondInTheOriginalsForm) {
  const Rig rig;
  const auto start = std::chrono::steady_clock::now();
  Capture capture(rig.target().hook_fd(), {rig.hook(), rig.file("out.pcapng"), "greater 100"});
  EXPECT_TRUE(becomes_true([&] { return !capture.process().errors().empty(); }, Millis(2'000)));
  const PacketSocket delivered = rig.delivered();
  rig.sending().send(frames());
  EXPECT_EQ(delivered.receive(3).size(), 3U);
  EXPECT_TRUE(becomes_true([&] { return capture.last_line() == kLine; }, Millis(2'000)))
      << capture.process().errors();
  capture.stop();
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start);
  std::vector<std::string> lines = split(capture.process().errors(), '\n');
  ASSERT_GE(lines.size(), 4U);
  EXPECT_EQ(lines.back(), "");
  lines.pop_back();
  EXPECT_EQ(lines.back(), "15 packets received, 6 matched, 6 written, 0 lost");
  EXPECT_EQ(lines.front(), kNothingYet);
  EXPECT_EQ(lines[lines.size() - 2], kLine);
  // The last two are not due to a second.
  EXPECT_LE(static_cast<double>(lines.size() - 2), seconds.count());
  EXPECT_EQ(statistics_in(rig.file("out.pcapng")),
            (std::vector<FileStatistics>{
                {1, 0, 0, 0}, {2, 1, 0, 1}, {3, 1, 0, 1}, {4, 2, 0, 2}, {5, 2, 0, 2}}));
}

TEST_F(Statistics, OfChosenActionsNameOnlyThose) {
  const Rig rig;
  Capture capture(rig.target().hook_fd(),
                  {"-actions", "redirect,drop", rig.hook(), rig.file("out.pcapng")}, 2);
  const PacketSocket delivered = rig.delivered();
  rig.sending().send(frames());
  EXPECT_EQ(delivered.receive(3).size(), 3U);
  const std::string line = "XDPRedirect: 5/5 XDPDrop: 2/2 (received/matched packets)";
  EXPECT_TRUE(becomes_true([&] { return capture.last_line() == line; }, Millis(2'000)))
      << capture.process().errors();
  capture.stop();
  EXPECT_EQ(capture.last_line(), "7 packets received, 7 matched, 7 written, 0 lost");
}

TEST_F(Statistics, OfACaptureUnderASecondNameTheActions) {
  const Rig rig;
  for (const bool counts : {false, true}) {
    std::vector<std::string> arguments = {"-actions", "drop,tx", rig.hook()};
    arguments.insert(arguments.end() - (counts ? 1 : 0),
                     counts ? "-count" : rig.file("out.pcapng"));
    Capture capture(rig.target().hook_fd(), arguments, 2);
    for (const Bytes& frame : frames()) {
      rig.sending().send(frame);
    }
    EXPECT_TRUE(becomes_true([&] { return rig.arrived_frames() >= (counts ? 30U : 15U); }));
    capture.stop();
    EXPECT_EQ(capture.process().errors(),
              std::string("XDPDrop: 2/2 XDPTx: 4/4 (received/matched packets)\n") +
                  (counts ? "" : "6 packets received, 6 matched, 6 written, 0 lost\n"));
  }
}

TEST_F(Statistics, AreSilencedByQ) {
  const Rig rig;
  Capture capture(rig.target().hook_fd(), {"-q", rig.hook(), rig.file("out.pcapng")});
  const PacketSocket delivered = rig.delivered();
  rig.sending().send(frames());
  EXPECT_EQ(delivered.receive(3).size(), 3U);
  std::this_thread::sleep_for(Millis(1'200));
  capture.stop();
  EXPECT_EQ(capture.process().errors(), "");
  EXPECT_EQ(packets_in(rig.file("out.pcapng")).size(), 15U);
}

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(Statistics, ForOtherPrograms) {
  const Rig rig;
  const std::string metrics = rig.file("xdpcap.prom");
  Capture capture(rig.target().hook_fd(), {"-stats-json", "-stats-prometheus", metrics, rig.hook(),
                                           rig.file("out.pcapng"), "greater 100"});
  EXPECT_THAT(contents(metrics), HasSubstr("# TYPE xdpcap_received_packets_total counter\n"));
  const PacketSocket delivered = rig.delivered();
  rig.sending().send(frames());
  EXPECT_EQ(delivered.receive(3).size(), 3U);
  EXPECT_TRUE(becomes_true(
      [&] {
        return contents(metrics).find(fmt::format(
                   "xdpcap_written_packets_total{{hook=\"{}\",action=\"XDPRedirect\"}} 2\n",
                   rig.hook())) != std::string::npos;
      },
      Millis(3'000)))
      << contents(metrics);
  capture.stop();
  const std::vector<std::string> lines = split(capture.process().output(), '\n');
  ASSERT_GE(lines.size(), 3U);
  EXPECT_EQ(lines.back(), "");
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
    EXPECT_THAT(lines[i], StartsWith("{\"time_ns\":"));
    EXPECT_THAT(lines[i], EndsWith("}}}"));
  }
  const std::string& last = lines[lines.size() - 2];
  EXPECT_THAT(
      last,
      HasSubstr(
          "\"received\":15,\"matched\":6,\"held_back\":0,\"overwritten\":0,\"in_memory\":0,\"written\":6,\"lost\":0,"
          "\"unwritten\":0,\"actions\":{"));
  EXPECT_THAT(last, HasSubstr("\"XDPPass\":{\"received\":3,\"matched\":1,"));
}

// As a container runtime mounts one: it cannot be replaced, so it is written over, also by a restricted capture.
TEST_F(Statistics, ForPrometheusMayBeAFileThatIsMounted) {
  const Rig rig;
  const std::string metrics = rig.file("xdpcap.prom");
  std::ofstream(metrics) << "old";
  ASSERT_EQ(::mount(metrics.c_str(), metrics.c_str(), nullptr, MS_BIND, nullptr), 0);
  Capture capture(rig.target().hook_fd(),
                  {"-q", "-stats-prometheus", metrics, rig.hook(), rig.file("out.pcapng")});
  const PacketSocket delivered = rig.delivered();
  rig.sending().send(frames());
  EXPECT_EQ(delivered.receive(3).size(), 3U);
  EXPECT_TRUE(becomes_true(
      [&] { return contents(metrics).find("action=\"XDPRedirect\"} 5\n") != std::string::npos; },
      Millis(3'000)))
      << contents(metrics);
  capture.stop();
  EXPECT_EQ(capture.process().errors(), "");
  EXPECT_EQ(::umount2(metrics.c_str(), MNT_DETACH), 0);
}

TEST_F(Statistics, NobodyReadsDoNotHoldUpTheCapture) {
  const Rig rig;
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd unread(ends[0]);
  const UniqueFd pipe(ends[1]);
  ASSERT_EQ(::fcntl(pipe.get(), F_SETPIPE_SZ, 4096), 4096);
  ASSERT_EQ(::write(pipe.get(), std::string(4096, 'x').data(), 4096), 4096);
  Capture capture(rig.target().hook_fd(), {"-stats-json", rig.hook(), rig.file("out.pcapng")}, 5,
                  {.out = pipe.get()});
  std::this_thread::sleep_for(Millis(2'200));  // two lines are due
  const PacketSocket delivered = rig.delivered();
  rig.sending().send(frames());
  EXPECT_EQ(delivered.receive(3).size(), 3U);
  capture.stop();
  EXPECT_EQ(capture.last_line(), "15 packets received, 15 matched, 15 written, 0 lost");
}

TEST_F(Statistics, AreGivenWhileTheReaderOfTheOutputIsStuck) {
  const Rig rig;
  const std::string pipe = rig.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const Process reader({"sh", "-c", "exec 3<\"$0\"; sleep 30", pipe});
  Capture capture(rig.target().hook_fd(), {"-buffer", "4096", rig.hook(), pipe});
  flood(rig, 20'000);
  for (int second = 0; second < 2; ++second) {
    const std::size_t before = capture.process().errors().size();
    EXPECT_TRUE(becomes_true(
        [&] {
          const std::string errors = capture.process().errors();
          return errors.find(" lost\n", before) != std::string::npos;
        },
        Millis(2'500)))
        << capture.process().errors();
  }
  capture.process().signal(SIGINT);
  EXPECT_EQ(capture.wait(Millis(3'000)).exit_code, 1);
}

TEST_F(Statistics, ForPrometheusNeedAPlaceThatCanBe) {
  const Rig rig;
  note_bpf_objects(::getpid());
  ASSERT_EQ(::mkfifo(rig.file("fifo").c_str(), 0600), 0);
  for (const std::string& place :
       {rig.file("fifo"), std::string("/dev/null"), rig.file("missing/metrics"), rig.file("")}) {
    const Outcome outcome =
        run(xdpcap_command({"-stats-prometheus", place, rig.hook(), rig.file("out.pcapng")}));
    EXPECT_EQ(outcome.end.exit_code, 1) << place;
    EXPECT_THAT(outcome.errors, HasSubstr("-stats-prometheus"));
    EXPECT_FALSE(std::filesystem::exists(rig.file("out.pcapng")));
  }
}

// What else runs without a umask, as some supervisors start it, may read the file and not write to it.
TEST_F(Statistics, ForPrometheusAreNotForOthersToWrite) {
  const Rig rig;
  const std::string metrics = rig.file("xdpcap.prom");
  const mode_t before = ::umask(0);
  Capture capture(rig.target().hook_fd(),
                  {"-count", "-q", "-stats-prometheus", metrics, rig.hook()});
  ::umask(before);
  EXPECT_EQ(std::filesystem::status(metrics).permissions(), std::filesystem::perms(0644));
  capture.stop();
  EXPECT_EQ(std::filesystem::status(metrics).permissions(), std::filesystem::perms(0644));
}

// All that can be read of a terminal now.
std::string read_terminal(const UniqueFd& terminal) {
  std::string text;
  std::array<char, 4096> piece{};
  for (ssize_t got = 0; (got = ::read(terminal.get(), piece.data(), piece.size())) > 0;) {
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  return text;
}

// A terminal that can be read and typed at.
class Screen {
 public:
  explicit Screen(unsigned short columns) {
    int master = -1;
    int slave = -1;
    const winsize size{.ws_row = 25, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(::openpty(&master, &slave, nullptr, nullptr, &size), 0);
    user_.reset(master);
    terminal_.reset(slave);
    EXPECT_EQ(::fcntl(master, F_SETFL, O_NONBLOCK), 0);
    EXPECT_EQ(::fcntl(master, F_SETFD, FD_CLOEXEC), 0);
  }
  int terminal() const { return terminal_.get(); }
  void resize(unsigned short columns) const {
    const winsize size{.ws_row = 25, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(::ioctl(user_.get(), TIOCSWINSZ, &size), 0);
  }
  void type(char key) const { EXPECT_EQ(::write(user_.get(), &key, 1), 1); }
  /// All that has been shown so far.
  const std::string& text() {
    text_ += read_terminal(user_);
    return text_;
  }
  bool shows(const std::string& what) {
    return becomes_true([&] { return text().find(what) != std::string::npos; }, Millis(4'000));
  }

 private:
  UniqueFd user_;
  UniqueFd terminal_;
  std::string text_;
};

TEST_F(Statistics, AreRewrittenInPlaceOnATerminal) {
  const Rig rig;
  Screen screen(120);
  Capture capture(rig.target().hook_fd(), {rig.hook(), rig.file("out.pcapng")}, 5,
                  {.err = screen.terminal()});
  EXPECT_TRUE(screen.shows("\r" + std::string(kNothingYet) + "\x1b[J\r"));
  rig.sending().send(frames());
  EXPECT_TRUE(
      screen.shows("\rXDPAborted: 1/1 XDPDrop: 2/2 XDPPass: 3/3 XDPTx: 4/4 XDPRedirect: 5/5 "
                   "(received/matched packets)\x1b[J\r"));
  screen.resize(80);
  EXPECT_TRUE(screen.shows(
      "\rXDPAborted: 1/1 XDPDrop: 2/2 XDPPass: 3/3 XDPTx: 4/4 XDPRedirect: 5/5\x1b[J\r"));
  screen.resize(50);
  EXPECT_TRUE(screen.shows("\rall: 15/15\x1b[J\r"));
  EXPECT_EQ(screen.text().find('\n'), std::string::npos) << screen.text();
  // The terminal's echo is at the start of a line, which is then written over; a line's end comes as \r\n.
  screen.type('\x03');
  EXPECT_TRUE(screen.shows("\x1b[J\r^C"));
  capture.stop();
  EXPECT_THAT(
      screen.text(),
      EndsWith("\rXDPAborted: 1/1 XDPDrop: 2/2 XDPPass: 3/3 XDPTx: 4/4 XDPRedirect: 5/5\x1b[J\r\r\n"
               "15 packets received, 15 matched, 15 written, 0 lost\r\n"));
  EXPECT_EQ(std::ranges::count(screen.text(), '\n'), 2) << screen.text();
}

}  // namespace
}  // namespace xdpcap::test

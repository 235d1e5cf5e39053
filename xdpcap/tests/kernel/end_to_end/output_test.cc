// SPDX-License-Identifier: BSD-3-Clause
//
// Captures into a pipe: seen at once by whoever reads it, and at an end when nobody does.

#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <thread>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/flood.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr Millis kSecond{1'000};
const std::vector<std::string> kTcpdump = {"tcpdump", "-l", "-nn", "-r", "-"};

class Output : public EndToEndTest {};

// xdpcap HOOK - FILTER | tcpdump -r - -nn
class Pipeline {
 public:
  Pipeline(const Rig& rig, const std::string& filter)
      : tcpdump_(kTcpdump, {.in = pipe_.reader.get()}),
        capture_(rig.target().hook_fd(), {rig.hook(), "-", filter}, 5,
                 {.out = pipe_.writer.get()}) {
    pipe_.reader.reset();
    pipe_.writer.reset();
  }
  Process& tcpdump() { return tcpdump_; }
  Capture& capture() { return capture_; }
  bool shows_lines(std::ptrdiff_t lines, Millis most) const {
    return becomes_true(
        [&] {
          const std::string text = tcpdump_.output();
          return std::count(text.begin(), text.end(), '\n') >= lines;
        },
        most);
  }

 private:
  Pipe pipe_;
  Process tcpdump_;
  Capture capture_;
};

TEST_F(Output, IsSeenByTcpdumpWhileTheCaptureRuns) {
  const Rig rig;
  Pipeline line(rig, "ip and udp port 53");
  const PacketSocket sender = rig.sending();
  for (std::uint16_t i = 1; i <= 3; ++i) {
    sender.send(ethernet(0x800, ipv4(17, udp({40000, 53}, dns_query(i)))));
    sender.send(order_frame(2, i));
    EXPECT_TRUE(line.shows_lines(i, kSecond)) << i << line.tcpdump().output();
  }
  EXPECT_TRUE(line.capture().process().is_running());
  line.capture().stop();
  EXPECT_EQ(line.tcpdump().wait().exit_code, 0);
  EXPECT_EQ(line.capture().process().errors(), "");
  EXPECT_EQ(line.tcpdump().errors(),
            "reading from file -, link-type EN10MB (Ethernet), snapshot length 65535\n");
  for (const char* words : {"1+ A? example.", "2+ A? example.", "3+ A? example."}) {
    EXPECT_THAT(line.tcpdump().output(), HasSubstr(words));
  }
  EXPECT_EQ(split(line.tcpdump().output(), '\n').size(), 4U) << line.tcpdump().output();
}

TEST_F(Output, EndsWithItsReaderWhilePacketsFlow) {
  const Rig rig;
  Pipeline line(rig, "");
  const PacketSocket sender = rig.sending();
  sender.send(numbered_frame(1, 100));
  EXPECT_TRUE(line.shows_lines(1, kSecond));
  line.tcpdump().signal(SIGKILL);
  EXPECT_EQ(line.tcpdump().wait().signal, SIGKILL);
  for (std::uint32_t i = 0; i < 20; ++i) {
    sender.send(numbered_frame(i, 100));
  }
  const Ended end = line.capture().wait(kSecond);
  EXPECT_TRUE(end.is_over);
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(line.capture().process().errors(), "");
}

TEST_F(Output, EndsWithItsReaderWhileNothingHappens) {
  const Rig rig;
  Pipeline line(rig, "");
  EXPECT_TRUE(becomes_true([&] { return !line.tcpdump().errors().empty(); }));
  line.tcpdump().signal(SIGKILL);
  const Ended end = line.capture().wait(kSecond);
  EXPECT_TRUE(end.is_over);
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(line.capture().process().errors(), "");
}

TEST_F(Output, ThatNobodyReadsDoesNotHoldUpTheEnd) {
  constexpr std::uint32_t kFrames = 1000;
  const Rig rig;
  Pipe pipe;
  Capture capture(rig.target().hook_fd(), {rig.hook(), "-"}, 5, {.out = pipe.writer.get()});
  pipe.writer.reset();
  const PacketSocket delivered = rig.delivered();
  std::vector<Bytes> frames;
  for (std::uint32_t i = 0; i < kFrames; ++i) {
    frames.push_back(numbered_frame(i, 1000));
  }
  rig.sending().send(frames);
  EXPECT_EQ(delivered.receive(kFrames).size(), kFrames) << "a stuck reader stopped the traffic";
  capture.process().signal(SIGINT);
  const Ended end = capture.wait(Millis(2'000));
  EXPECT_TRUE(end.is_over);
  EXPECT_EQ(end.exit_code, 1);

  // What the pipe holds is whole, and the rest is accounted for.
  std::FILE* stream = ::fdopen(::dup(pipe.reader.get()), "rb");
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  pcap_t* pcap = pcap_fopen_offline(stream, error.data());
  ASSERT_NE(pcap, nullptr) << error.data();
  std::uint32_t read = 0;
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  int result = 0;
  while ((result = pcap_next_ex(pcap, &header, &bytes)) == 1) {
    EXPECT_TRUE(
        std::equal(bytes, bytes + header->caplen, frames[read].begin(), frames[read].end()));
    ++read;
  }
  EXPECT_EQ(result, PCAP_ERROR_BREAK) << pcap_geterr(pcap);
  pcap_close(pcap);
  EXPECT_GT(read, 0U);
  EXPECT_THAT(capture.process().errors(),
              HasSubstr(fmt::format("{} packets not written", kFrames - read)));
}

// Nothing else tells the user of a pipeline that its reader was too slow.
TEST_F(Output, ToASlowReaderSaysWhatWasLost) {
  constexpr std::uint32_t kFrames = 50'000;
  for (const bool is_quiet : {false, true}) {
    const Rig rig;
    const std::string file = rig.file("read.pcapng");
    Pipe pipe;
    Process reader({"sh", "-c", "sleep 1; cat >\"$0\"", file}, {.in = pipe.reader.get()});
    std::vector<std::string> arguments = {"-buffer", "4096", rig.hook(), "-"};
    if (is_quiet) {
      arguments.insert(arguments.begin(), "-q");
    }
    Capture capture(rig.target().hook_fd(), arguments, 5, {.out = pipe.writer.get()});
    pipe.reader.reset();
    pipe.writer.reset();
    flood(rig, kFrames);
    EXPECT_TRUE(becomes_true([&] { return std::filesystem::exists(file); }, Millis(3'000)));
    std::this_thread::sleep_for(Millis(200));
    capture.stop();
    EXPECT_EQ(reader.wait().exit_code, 0);
    std::uint64_t lost = 0;
    for (const FileStatistics& one : statistics_in(file)) {
      lost += one.dropped;
    }
    EXPECT_GT(lost, 0U);
    EXPECT_EQ(packets_in(file).size() + lost, rig.arrived_frames());
    EXPECT_THAT(capture.process().errors(),
                AllOf(StartsWith(fmt::format("xdpcap: {} of {} packets that matched were lost: ",
                                             lost, rig.arrived_frames())),
                      EndsWith(" reader\n")));
    EXPECT_EQ(std::ranges::count(capture.process().errors(), '\n'), 1);
  }
}

TEST_F(Output, ThatIsFullIsSaidWithWhatIsMissingAlsoWithQ) {
  constexpr std::uint32_t kFrames = 1000;
  const Rig rig;
  const WorkDirectory small(256 << 10);
  Capture capture(rig.target().hook_fd(), {"-q", rig.hook(), small.file("out.pcapng")});
  const PacketSocket sending = rig.sending();
  for (std::uint32_t i = 0; i < kFrames; ++i) {
    sending.send(numbered_frame(i, 1000));
  }
  const Ended end = capture.wait(Millis(5'000));
  EXPECT_TRUE(end.is_over);
  EXPECT_EQ(end.exit_code, 1);
  const std::string errors = capture.process().errors();
  std::smatch match;
  ASSERT_TRUE(std::regex_match(
      errors, match,
      std::regex(
          "xdpcap: write to .*no space left.*\n"
          "xdpcap: output .*out.pcapng: ([0-9]+) packets not written\n(?:xdpcap: .* lost.*\n)?")))
      << errors;
  EXPECT_GT(std::stoul(match[1]), 0U);
  EXPECT_GT(packets_in(small.file("out.pcapng")).size(), 0U);
}

TEST_F(Output, MayBeANamedPipe) {
  const Rig rig;
  const std::string fifo = rig.file("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  Process tcpdump({"tcpdump", "-l", "-nn", "-Z", "root", "-r", fifo});
  Capture capture(rig.target().hook_fd(), {"-q", "-flush", rig.hook(), fifo});
  rig.sending().send(udp_frame({40000, 53}, dns_query(77)));
  EXPECT_TRUE(becomes_true(
      [&] { return tcpdump.output().find("77+ A? example.") != std::string::npos; }, kSecond))
      << tcpdump.errors();
  capture.stop();
  EXPECT_EQ(tcpdump.wait().exit_code, 0);
}

}  // namespace
}  // namespace xdpcap::test

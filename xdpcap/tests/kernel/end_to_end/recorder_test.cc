// SPDX-License-Identifier: BSD-3-Clause
//
// The flight recorder: what is in memory is written out when somebody asks, and every packet of a flood is in one
// number.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <thread>
#include <utility>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/flood.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"
#include "xdpcap/tests/kernel/end_to_end/sections.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

constexpr std::uint64_t kMemoryBytes = 8ULL << 20U;
constexpr std::uint64_t kPacketBytes = 48 + 200;  // of Flood, in memory
constexpr std::uint64_t kMostPackets = kMemoryBytes / kPacketBytes;

class Recorder : public EndToEndTest {};

bool has_said(Capture& capture, const std::string& text, std::size_t times = 1) {
  return becomes_true([&] {
    const std::string said = capture.process().errors();
    std::size_t count = 0;
    for (std::size_t at = said.find(text); at != std::string::npos; at = said.find(text, at + 1)) {
      ++count;
    }
    return count >= times;
  });
}

/// Packets that a capture says it wrote in each dump.
std::vector<std::uint64_t> dumps_of(Capture& capture) {
  static const std::regex kLine("flight recorder: ([0-9]+) packets written to ");
  const std::string said = capture.process().errors();
  std::vector<std::uint64_t> dumps;
  for (std::sregex_iterator it(said.begin(), said.end(), kLine); it != std::sregex_iterator();
       ++it) {
    dumps.push_back(std::stoull((*it)[1]));
  }
  return dumps;
}

std::vector<std::uint64_t> packets_of(const std::vector<FileSection>& sections) {
  std::vector<std::uint64_t> packets;
  for (const FileSection& section : sections) {
    packets.push_back(section.packets);
  }
  return packets;
}

/// Expects that file, last line and what was said agree, to the packet.
void expect_exact(Capture& capture, const std::string& file, std::uint64_t arrived) {
  const Totals totals = parse_totals(capture.last_line());
  fmt::print("of {} matched: {} lost, {} overwritten, {} written\n", totals.matched, totals.lost,
             totals.overwritten, totals.written);
  EXPECT_EQ(totals.received, arrived);
  EXPECT_EQ(totals.matched, arrived);
  EXPECT_EQ(totals.matched, totals.overwritten + totals.written + totals.lost);
  EXPECT_EQ(count_with_tcpdump(file), totals.written);
  const std::vector<FileSection> sections = sections_in(file);
  EXPECT_EQ(packets_of(sections), dumps_of(capture));
  std::uint64_t written = 0;
  for (const FileSection& section : sections) {
    written += section.packets;
    ASSERT_EQ(section.statistics.size(), 5U);
    EXPECT_EQ(section.statistics[kDrop].delivered, written);
  }
  EXPECT_EQ(sections.back().statistics[kDrop], (FileStatistics{.received = arrived,
                                                               .accepted = totals.matched,
                                                               .dropped = totals.lost,
                                                               .delivered = totals.written}));
  // What was lost before the last packet, overwritten ones included.
  std::uint64_t lost = 0;
  for (const FileSection& section : sections) {
    lost += section.lost_before_packets;
  }
  EXPECT_LE(lost, totals.lost);
}

TEST_F(Recorder, IsWrittenOutBySignalAndAtTheEndWithEveryPacketCounted) {
  const Rig rig;
  rig.target().want(kDrop);
  const WorkDirectory memory(2ULL << 30U);
  const std::string file = memory.file("out.pcapng");
  std::ofstream(file) << "an old file";
  const std::uint64_t before = rig.arrived_frames();
  Capture capture(rig.target().hook_fd(), {"-v", "--ring", "8M", rig.hook(), file});
  {
    const Flood flood(rig);
    EXPECT_TRUE(becomes_true([&] { return rig.arrived_frames() > before + 8 * kMostPackets; }));
    EXPECT_EQ(std::filesystem::file_size(file), 11U) << "nothing is written before a dump";
    for (std::size_t dump = 1; dump <= 2; ++dump) {
      capture.process().signal(SIGUSR1);
      EXPECT_TRUE(has_said(capture, ": SIGUSR1\n", dump));
      std::this_thread::sleep_for(Millis(300));
    }
  }
  std::uint64_t arrived = 0;
  EXPECT_TRUE(becomes_true([&] {
    const std::uint64_t now = rig.arrived_frames();
    return std::exchange(arrived, now) == now;
  }));
  capture.stop();
  EXPECT_THAT(capture.process().errors(),
              HasSubstr(fmt::format("packets written to {}: end of the capture\n", file)));
  EXPECT_THAT(capture.process().errors(), HasSubstr(", flight recorder 8388608 bytes; "));
  expect_exact(capture, file, arrived - before);
  const std::vector<FileSection> sections = sections_in(file);
  ASSERT_EQ(sections.size(), 3U);
  EXPECT_EQ(sections[0].comment, "flight recorder: the last 8 MiB, written on SIGUSR1");
  EXPECT_EQ(sections[1].comment, "flight recorder: the last 8 MiB, written on SIGUSR1");
  EXPECT_EQ(sections[2].comment,
            "flight recorder: the last 8 MiB, written at the end of the capture");
  EXPECT_EQ(sections[0].packets, kMostPackets) << "the memory was full";
  EXPECT_GT(parse_totals(capture.last_line()).overwritten, 0U);
  EXPECT_EQ(fields_with_tshark(file, {"frame.interface_name"}),
            std::vector<std::string>(count_with_tcpdump(file), "hook:XDPDrop"));
}

TEST_F(Recorder, KeepsTheNewestPacketsInTheirOrder) {
  const Rig rig;
  rig.target().want(2);
  const PacketSocket delivered = rig.delivered();
  const std::string file = rig.file("out.pcapng");
  // Ten packets of 100 bytes.
  Capture capture(rig.target().hook_fd(),
                  {"-s", "104", "-ring", std::to_string(10 * 152), rig.hook(), file});
  std::vector<Bytes> sent;
  for (std::uint32_t i = 0; i < 25; ++i) {
    sent.push_back(numbered_frame(i, 100));
  }
  rig.sending().send(sent);
  EXPECT_EQ(delivered.receive(25).size(), 25U);
  capture.stop();
  EXPECT_EQ(packets_in(file), (std::vector<Bytes>(sent.end() - 10, sent.end())));
  EXPECT_EQ(capture.last_line(),
            "25 packets received, 25 matched, 15 overwritten, 10 written, 0 lost");
  EXPECT_EQ(sections_in(file).at(0).statistics_comments.at(2),
            "15 matching packets overwritten in the flight recorder");
}

TEST_F(Recorder, IsWrittenOutWhenARatePassesItsLimit) {
  const Rig rig;
  rig.target().want(kDrop);
  const WorkDirectory memory(2ULL << 30U);
  const std::string file = memory.file("out.pcapng");
  const std::uint64_t before = rig.arrived_frames();
  Capture capture(rig.target().hook_fd(), {"--ring", "8M", "--trigger", "drop:20000", "--trigger",
                                           "pass:1000", rig.hook(), file});
  for (std::size_t floods = 1; floods <= 2; ++floods) {
    {
      const Flood flood(rig);
      EXPECT_TRUE(has_said(capture, "XDPDrop passed 20000 packets a second", floods));
      std::this_thread::sleep_for(Millis(1'500));  // and no second time
    }
    std::this_thread::sleep_for(Millis(1'500));  // until it is below again
  }
  const std::uint64_t arrived = rig.arrived_frames();
  capture.stop();
  expect_exact(capture, file, arrived - before);
  const std::vector<FileSection> sections = sections_in(file);
  ASSERT_EQ(sections.size(), 3U);
  for (const std::size_t i : {0U, 1U}) {
    EXPECT_THAT(
        sections[i].comment,
        MatchesRegex("flight recorder: the last 8 MiB, written because XDPDrop passed 20000 "
                     "packets a second .[0-9]+.$"));
    EXPECT_GT(sections[i].packets, 0U);
  }
}

TEST_F(Recorder, GoesToAPipe) {
  const Rig rig;
  const std::string file = rig.file("out.pcapng");
  const PacketSocket delivered = rig.delivered();
  Pipe pipe;
  Process tee({"tee", file}, {.in = pipe.reader.get()});
  EXPECT_TRUE(becomes_true([&] { return std::filesystem::exists(file); }));
  Capture capture(rig.target().hook_fd(), {"-ring", "1M", rig.hook(), "-"}, 5,
                  {.out = pipe.writer.get()});
  pipe.writer.reset();
  pipe.reader.reset();
  const std::vector<Bytes> frames = {order_frame(1, 1), order_frame(2, 2)};
  rig.sending().send(frames);
  EXPECT_EQ(delivered.receive(1).size(), 1U);
  EXPECT_EQ(std::filesystem::file_size(file), 0U);
  capture.process().signal(SIGUSR1);
  EXPECT_TRUE(becomes_true([&] { return std::filesystem::file_size(file) > 0; }));
  capture.stop();
  EXPECT_TRUE(tee.wait().is_over);
  EXPECT_EQ(capture.process().errors(), "");
  EXPECT_EQ(packets_in(file), frames);
  EXPECT_EQ(sections_in(file).size(), 2U);
}

TEST_F(Recorder, EndsWhenItHasAsManyAsWereAskedFor) {
  const Rig rig;
  rig.target().want(kDrop);
  const std::string file = rig.file("out.pcapng");
  Capture capture(rig.target().hook_fd(), {"-c", "500", "-ring", "1M", rig.hook(), file});
  const Flood flood(rig);
  EXPECT_EQ(capture.wait(Millis(10'000)).exit_code, 0);
  const Totals totals = parse_totals(capture.last_line());
  EXPECT_EQ(totals.written, 500U);
  EXPECT_EQ(totals.matched, totals.held_back + totals.overwritten + totals.written + totals.lost);
  EXPECT_EQ(count_with_tcpdump(file), 500U);
}

TEST_F(Recorder, WithoutOneTheSignalIsAnsweredAndEndsNothing) {
  const Rig rig;
  const PacketSocket delivered = rig.delivered();
  const std::string file = rig.file("out.pcapng");
  for (const bool counts : {false, true}) {
    std::vector<std::string> arguments = {"-q", rig.hook()};
    arguments.insert(counts ? arguments.begin() : arguments.end(), counts ? "-count" : file);
    Capture capture(rig.target().hook_fd(), arguments);
    capture.process().signal(SIGUSR1);
    EXPECT_TRUE(has_said(capture, "signal SIGUSR1: no -ring"));
    rig.sending().send({order_frame(2, 1)});
    EXPECT_EQ(delivered.receive(1).size(), 1U);
    capture.stop();
  }
  EXPECT_EQ(packets_in(file).size(), 1U);
}

TEST_F(Recorder, AFullDiskDuringADumpEndsTheCaptureWithAllCounted) {
  const Rig rig;
  rig.target().want(kDrop);
  const WorkDirectory disk(1ULL << 20U);
  const std::string file = disk.file("out.pcapng");
  const std::uint64_t before = rig.arrived_frames();
  Capture capture(rig.target().hook_fd(), {"-ring", "8M", rig.hook(), file});
  Ended ended;
  {
    const Flood flood(rig);
    EXPECT_TRUE(becomes_true([&] { return rig.arrived_frames() > before + 8 * kMostPackets; }));
    capture.process().signal(SIGUSR1);
    ended = capture.wait(Millis(10'000));
  }
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_THAT(capture.process().errors(), HasSubstr("no space left on the file system"));
  EXPECT_EQ(capture.process().errors().find("do not add up"), std::string::npos);
  static const std::regex kLine(
      "([0-9]+) packets received, ([0-9]+) matched, ([0-9]+) overwritten, ([0-9]+) written, "
      "([0-9]+) lost, ([0-9]+) not written");
  std::smatch match;
  const std::string line = capture.last_line();
  ASSERT_TRUE(std::regex_match(line, match, kLine)) << line;
  EXPECT_EQ(std::stoull(match[2]), std::stoull(match[3]) + std::stoull(match[4]) +
                                       std::stoull(match[5]) + std::stoull(match[6]));
  EXPECT_EQ(count_with_tcpdump(file), std::stoull(match[4]));
}

}  // namespace
}  // namespace xdpcap::test

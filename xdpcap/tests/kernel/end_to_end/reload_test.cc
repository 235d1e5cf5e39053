// SPDX-License-Identifier: BSD-3-Clause
//
// The filter of a running capture is changed: no packet is missed, none counted twice, and what is wrong changes
// nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/flood.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;

class Reload : public EndToEndTest {};

/// A target, and the filter in a file.
struct Stage {
  void write_filter(const std::string& text) const { std::ofstream(filter) << text; }
  /// Changes the filter, and waits for xdpcap to say how that went.
  void change(Capture& capture, const std::string& text, const std::string& answer) const {
    const std::size_t said = capture.process().errors().size();
    write_filter(text);
    capture.process().signal(SIGUSR2);
    EXPECT_TRUE(becomes_true([&] {
      return capture.process().errors().find(answer, said) != std::string::npos;
    })) << capture.process().errors();
  }
  const Rig rig;
  const std::string filter = rig.file("filter.txt");
  const std::string file = rig.file("out.pcapng");
};

TEST_F(Reload, TheNewFilterDecidesFromThenOn) {
  const Stage stage;
  const PacketSocket delivered = stage.rig.delivered();
  const auto send = [&](const Bytes& frame) {
    stage.rig.sending().send({frame});
    EXPECT_EQ(delivered.receive(1).size(), 1U);
  };
  const Bytes small = order_frame(2, 1, 60);
  const Bytes large = order_frame(2, 2, 100);
  stage.write_filter("less 60  # small ones");
  Capture capture(stage.rig.target().hook_fd(), {"-F", stage.filter, stage.rig.hook(), stage.file});
  send(small);
  send(large);
  stage.change(capture, "greater 100", "read again: greater 100");
  send(small);
  send(large);
  stage.change(capture, "greater and", "the filter stays as it was");
  send(small);
  send(large);
  // The C library looks for these names in /etc.
  stage.change(capture, "port http or host localhost or ip proto ospf", "read again: port http or");
  stage.change(capture, "", "read again: \n");
  send(small);
  capture.stop();
  EXPECT_EQ(packets_in(stage.file), (std::vector<Bytes>{small, large, large, small}));
  EXPECT_EQ(capture.last_line(), "7 packets received, 4 matched, 4 written, 0 lost");
  EXPECT_EQ(filled_slots(stage.rig.target().hook_fd()), 0U);
}

TEST_F(Reload, NoPacketOfAFloodIsMissedOrCountedTwice) {
  const Stage stage;
  stage.rig.target().want(1);
  stage.write_filter("len = 64");
  Capture capture(stage.rig.target().hook_fd(),
                  {"-sample", "1000", "-F", stage.filter, stage.rig.hook(), stage.file});
  std::atomic<bool> is_over = false;
  std::atomic<int> changes = 0;
  std::thread changing([&] {
    while (!is_over) {
      stage.change(capture, changes % 2 == 0 ? "not greater 65" : "len = 64", "read again");
      ++changes;
    }
  });
  const Flooded flooded = flood(stage.rig, 2'000'000);
  is_over = true;
  changing.join();
  capture.stop();
  const Totals totals = parse_totals(capture.last_line());
  EXPECT_GE(changes, 5);
  EXPECT_EQ(totals.received, flooded.arrived);
  EXPECT_EQ(totals.matched, flooded.arrived);
  EXPECT_EQ(totals.matched, totals.held_back + totals.written + totals.lost);
}

// As in a volume of Kubernetes, by a capture that may open no other path.
TEST_F(Reload, FollowsALinkThatLeadsElsewhereInTheDirectory) {
  const Stage stage;
  std::ofstream(stage.rig.file("first")) << "less 60";
  std::ofstream(stage.rig.file("second")) << "greater 100";
  std::filesystem::create_symlink("first", stage.filter);
  Capture capture(stage.rig.target().hook_fd(), {"-F", stage.filter, stage.rig.hook(), stage.file});
  std::filesystem::remove(stage.filter);
  std::filesystem::create_symlink("second", stage.filter);
  capture.process().signal(SIGUSR2);
  EXPECT_TRUE(becomes_true([&] {
    return capture.process().errors().find("read again: greater 100") != std::string::npos;
  })) << capture.process().errors();
  capture.stop();
}

// Opening a pipe would wait for a writer, in a process that has blocked its signals.
TEST_F(Reload, APipeInThePlaceOfTheFileDoesNotMakeTheCaptureDeaf) {
  const Stage stage;
  stage.write_filter("less 60");
  Capture capture(stage.rig.target().hook_fd(), {"-F", stage.filter, stage.rig.hook(), stage.file});
  std::filesystem::remove(stage.filter);
  ASSERT_EQ(::mkfifo(stage.filter.c_str(), 0666), 0);
  capture.process().signal(SIGUSR2);
  EXPECT_TRUE(becomes_true([&] {
    return capture.process().errors().find("filter.txt: it is not a regular file") !=
           std::string::npos;
  })) << capture.process().errors();
  EXPECT_THAT(capture.process().errors(), HasSubstr("the filter stays as it was"));
  capture.process().signal(SIGTERM);
  EXPECT_EQ(capture.wait(Millis(3'000)).exit_code, 0);
  EXPECT_EQ(filled_slots(stage.rig.target().hook_fd()), 0U);
}

TEST_F(Reload, WithoutAFileChangesNothing) {
  const Stage stage;
  Capture capture(stage.rig.target().hook_fd(), {"-q", stage.rig.hook(), stage.file, "less 60"});
  capture.process().signal(SIGUSR2);
  EXPECT_TRUE(becomes_true(
      [&] { return capture.process().errors().find("-F FILE") != std::string::npos; }));
  capture.stop();
}

}  // namespace
}  // namespace xdpcap::test

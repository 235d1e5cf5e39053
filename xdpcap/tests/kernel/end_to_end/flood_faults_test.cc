// SPDX-License-Identifier: BSD-3-Clause
//
// Accounting at full speed when things go wrong at the same time: every way of a record, rings of a page, a full disk,
// another filter.  Every packet is in exactly one of the numbers.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "xdpcap/program/transport.h"
#include "xdpcap/tests/kernel/end_to_end/capture.h"
#include "xdpcap/tests/kernel/end_to_end/flood.h"
#include "xdpcap/tests/kernel/end_to_end/rig.h"

namespace xdpcap::test {
namespace {

using testing::HasSubstr;

constexpr std::uint32_t kFrames = 500'000;

void expect_balance(const Totals& totals, std::uint64_t arrived) {
  EXPECT_EQ(totals.received, arrived);
  EXPECT_EQ(totals.matched, totals.held_back + totals.overwritten + totals.written + totals.lost +
                                totals.unwritten);
}

/// Changes between two filters until the object goes; a flood's frames match both.
class FilterChanges {
 public:
  FilterChanges(Capture& capture, std::string file) : capture_(capture), file_(std::move(file)) {
    write(0);
  }
  static void write_first(const std::string& file) { std::ofstream(file) << "len = 64"; }
  void start() {
    thread_ = std::thread([this] {
      for (int i = 0; !is_over_; ++i) {
        write(i);
        capture_.process().signal(SIGUSR2);
        std::this_thread::sleep_for(Millis(20));
        ++changes_;
      }
    });
  }
  int stop() {
    is_over_ = true;
    thread_.join();
    return changes_;
  }

 private:
  void write(int i) const { std::ofstream(file_) << (i % 2 == 0 ? "not greater 65" : "len = 64"); }

  Capture& capture_;
  std::string file_;
  std::atomic<bool> is_over_ = false;
  std::atomic<int> changes_ = 0;
  std::thread thread_;
};

class EveryTransport : public EndToEndTest, public testing::WithParamInterface<Transport> {};

TEST_P(EveryTransport, LosesNothingUncountedInRingsOfAPage) {
  const Rig rig;
  rig.target().want(kDrop);
  const WorkDirectory memory(2ULL << 30U);
  const std::string file = memory.file("out.pcapng");
  Capture capture(rig.target().hook_fd(), {"-transport", std::string(name(GetParam())), "-s", "64",
                                           "-buffer", "4096", rig.hook(), file});
  const Flooded flooded = flood(rig, kFrames);
  capture.stop();
  const Totals totals = parse_totals(capture.last_line());
  fmt::print("{}: {:.2f} million frames a second, {} lost\n", name(GetParam()),
             flooded.million_a_second(), totals.lost);
  expect_balance(totals, flooded.arrived);
  EXPECT_EQ(totals.matched, flooded.arrived);
  EXPECT_GT(totals.lost, 0U);
  EXPECT_EQ(count_with_tcpdump(file), totals.written);
}

TEST_P(EveryTransport, BringsPacketsWhole) {
  const Rig rig;
  const std::string file = rig.file("out.pcapng");
  const PacketSocket delivered = rig.delivered();
  Capture capture(rig.target().hook_fd(),
                  {"-transport", std::string(name(GetParam())), rig.hook(), file});
  std::vector<Bytes> frames;
  for (std::uint32_t i = 0; i < 60; ++i) {
    frames.push_back(order_frame(2, i, 60 + i * 24));
  }
  rig.sending().send(frames);
  EXPECT_EQ(delivered.receive(frames.size()).size(), frames.size());
  capture.stop();
  EXPECT_EQ(packets_in(file), frames);
}

INSTANTIATE_TEST_SUITE_P(All, EveryTransport, testing::ValuesIn(kTransports),
                         [](const auto& parameter) { return std::string(name(parameter.param)); });

class FloodFaults : public EndToEndTest {};

TEST_F(FloodFaults, AFullDiskIsExact) {
  const Rig rig;
  rig.target().want(kDrop);
  const WorkDirectory small(8U << 20U);
  const std::string file = small.file("out.pcapng");
  Capture capture(rig.target().hook_fd(), {rig.hook(), file});
  const Flooded flooded = flood(rig, kFrames);
  EXPECT_EQ(capture.wait(Millis(10'000)).exit_code, 1);
  EXPECT_THAT(capture.process().errors(), HasSubstr("no space left on the file system"));
  const Totals totals = parse_totals(capture.last_line());
  // The programs left the hook in the middle of the flood.
  EXPECT_LE(totals.received, flooded.arrived);
  expect_balance(totals, totals.received);
  EXPECT_GT(totals.unwritten, 0U);
  EXPECT_EQ(count_with_tcpdump(file), totals.written);
}

TEST_F(FloodFaults, ChangesOfTheFilterWithRingsOfAPageAreExact) {
  const Rig rig;
  rig.target().want(kDrop);
  const WorkDirectory memory(2ULL << 30U);
  const std::string filter = rig.file("filter");
  FilterChanges::write_first(filter);
  Capture capture(rig.target().hook_fd(), {"-s", "64", "-buffer", "4096", "-F", filter, rig.hook(),
                                           memory.file("out.pcapng")});
  FilterChanges changes(capture, filter);
  changes.start();
  const Flooded flooded = flood(rig, 4 * kFrames);
  EXPECT_GE(changes.stop(), 5);
  capture.stop();
  const Totals totals = parse_totals(capture.last_line());
  expect_balance(totals, flooded.arrived);
  EXPECT_EQ(totals.matched, flooded.arrived);
  EXPECT_GT(totals.lost, 0U);
  EXPECT_EQ(count_with_tcpdump(memory.file("out.pcapng")), totals.written);
}

TEST_F(FloodFaults, AFullDiskWhileTheFilterChangesIsExact) {
  const Rig rig;
  rig.target().want(kDrop);
  const WorkDirectory small(8U << 20U);
  const std::string file = small.file("out.pcapng");
  const std::string filter = rig.file("filter");
  FilterChanges::write_first(filter);
  Capture capture(rig.target().hook_fd(), {"-F", filter, rig.hook(), file});
  FilterChanges changes(capture, filter);
  changes.start();
  const Flooded flooded = flood(rig, kFrames);
  const Ended ended = capture.wait(Millis(10'000));
  changes.stop();
  EXPECT_EQ(ended.exit_code, 1);
  const Totals totals = parse_totals(capture.last_line());
  EXPECT_LE(totals.received, flooded.arrived);
  expect_balance(totals, totals.received);
  EXPECT_EQ(totals.matched, totals.received);
  EXPECT_EQ(count_with_tcpdump(file), totals.written);
}

// Stopped in the middle of a flood, many times: what has been counted is what is there.
TEST_F(FloodFaults, AnyMomentOfStoppingIsExact) {
  const Rig rig;
  rig.target().want(kDrop);
  const WorkDirectory memory(2ULL << 30U);
  const std::string file = memory.file("out.pcapng");
  for (int round = 0; round < 10; ++round) {
    Capture capture(rig.target().hook_fd(), {"-buffer", "65536", rig.hook(), file});
    const Flood flood(rig);
    std::this_thread::sleep_for(Millis(20 + 13 * round));
    capture.stop();
    const Totals totals = parse_totals(capture.last_line());
    expect_balance(totals, totals.received);
    EXPECT_EQ(totals.matched, totals.received);
    EXPECT_EQ(count_with_tcpdump(file), totals.written);
  }
}

}  // namespace
}  // namespace xdpcap::test

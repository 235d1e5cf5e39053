// SPDX-License-Identifier: BSD-3-Clause
//
// The loop with a ring in memory.  Its signal descriptor is a pipe that holds signalfd_siginfo; its
// clocks are the system's, and the packets are a long time old.

#pragma once

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <vector>

#include "xdpcap/capture/capture_loop.h"
#include "xdpcap/tests/capture/pcapng_walk.h"
#include "xdpcap/tests/capture/scripted_sink.h"
#include "xdpcap/tests/ring/fake_ring.h"

namespace xdpcap::test {

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  UniqueFd read, write;
};

class FakeSource final : public CaptureSource {
 public:
  Result<std::vector<ActionCounters>> counters_by_cpu() override {
    if (at_read) {
      at_read();
    }
    if (fails) {
      return fail(Errc::Kernel, "read counters: gone", EBADF);
    }
    return std::vector<ActionCounters>{now};
  }
  Result<void> detach() override {
    is_detached = true;
    if (at_detach) {
      at_detach();
    }
    return {};
  }
  ActionCounters now{};
  bool fails = false;
  bool is_detached = false;
  std::function<void()> at_read;
  std::function<void()> at_detach;
};

/// A loop, and all that it looks at.
class LoopStage : public testing::Test {
 protected:
  LoopStage() {
    options_.actions = {Action::Drop, Action::Pass};
    options_.signal_fd = signals_.read.get();
    options_.wake_fd = ring_event_.get();
    section_.interfaces.resize(2);
  }
  void signal() {
    signalfd_siginfo info{};
    info.ssi_signo = SIGINT;
    ASSERT_EQ(::write(signals_.write.get(), &info, sizeof(info)),
              static_cast<ssize_t>(sizeof(info)));
  }
  // A packet that the capture program counted and recorded.
  void add(Action action, std::uint64_t ktime_ns = 1, std::uint32_t captured_bytes = 32) {
    ++source_.now[index(action)].received;
    ++source_.now[index(action)].matched;
    ring_.add(test::make_record({.ktime_ns = ktime_ns,
                                 .captured_bytes = captured_bytes,
                                 .action = static_cast<std::uint32_t>(index(action))}));
  }
  CaptureSummary run() {
    Result<PcapngWriter> writer = PcapngWriter::start(sink_, section_);
    EXPECT_TRUE(writer);
    return run_capture(source_, readers_, *writer, sink_, time_, options_);
  }
  std::vector<test::WalkedPacket> packets() const { return test::walk_packets(sink_.bytes); }
  std::size_t statistics_blocks() const {
    std::size_t count = 0;
    for (const test::WalkedBlock& block : test::walk_blocks(sink_.bytes)) {
      count += block.type == 5 ? 1 : 0;
    }
    return count;
  }

  test::FakeRing ring_{1 << 16};
  RecordReaders readers_ = readers_of(ring_);
  FakeSource source_;
  test::ScriptedSink sink_;
  SystemTime time_;
  Pipe signals_;
  UniqueFd ring_event_{::eventfd(0, EFD_CLOEXEC)};
  PcapngSection section_;
  CaptureLoopOptions options_;
};

}  // namespace xdpcap::test

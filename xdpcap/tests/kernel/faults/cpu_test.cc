// SPDX-License-Identifier: BSD-3-Clause
//
// A CPU that leaves the machine and comes back under captures, with a ring of each CPU: nobody loses count, and nobody's verdict changes.
//
// Captures are started both before it leaves and while it is away: those have no ring of perf for it, and count what they cannot
// take.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <xdpcap/program/transport.h>

#include <fstream>

#include "xdpcap/tests/kernel/faults/stage.h"

namespace xdpcap::test {
namespace {

constexpr const char* kSwitch = "/sys/devices/system/cpu/cpu1/online";

/// The second CPU; back when the object goes, or this program.
class SecondCpu {
 public:
  SecondCpu()
      : guard_({"sh", "-c", fmt::format("read line; echo 1 > {}", kSwitch)},
               {.in = pipe_.reader.get()}) {
    pipe_.reader.reset();
  }
  SecondCpu(const SecondCpu&) = delete;
  SecondCpu& operator=(const SecondCpu&) = delete;
  ~SecondCpu() {
    pipe_.writer.reset();
    EXPECT_EQ(guard_.wait().exit_code, 0);
  }

  static bool can_leave() { return static_cast<bool>(std::ofstream(kSwitch)); }
  void leave() { set("0"); }
  void come_back() { set("1"); }

 private:
  static void set(const char* value) {
    EXPECT_TRUE(std::ofstream(kSwitch) << value << std::flush) << "cannot write to " << kSwitch;
  }

  Pipe pipe_;
  Process guard_;
};

class Cpus : public FaultTest, public testing::WithParamInterface<Transport> {};

TEST_P(Cpus, MayLeaveAndComeBack) {
  if (!SecondCpu::can_leave()) {
    GTEST_SKIP() << "no CPU can be taken offline: " << kSwitch << " cannot be written";
  }
  const std::string transport(name(GetParam()));
  const Stage stage;
  const std::vector<std::string> options = {"-transport", transport};
  SharedCapture witness(stage, "");
  ASSERT_TRUE(witness.enters());
  SharedCapture before(stage, stage.rig().file("before.pcapng"), options);
  const bool has_entered = before.enters();
  if (before.says("the kernel does not take it this way", Millis(0))) {
    GTEST_SKIP() << before.process().errors();
  }
  ASSERT_TRUE(has_entered) << before.process().errors();
  Tally away;
  Tally tally;
  {
    SecondCpu cpu;
    Traffic traffic(stage.rig());
    traffic.await_more(1'000);
    cpu.leave();
    traffic.await_more(1'000);
    away = traffic.tally();
    SharedCapture late(stage, stage.rig().file("late.pcapng"), options);
    ASSERT_TRUE(late.enters()) << late.process().errors();
    const Tally entered = traffic.tally();
    traffic.await_more(1'000);
    cpu.come_back();
    traffic.await_more(3'000);
    cpu.leave();
    traffic.await_more(1'000);
    cpu.come_back();
    tally = traffic.stop();
    const Totals totals = late.stop();
    EXPECT_LE(totals.received, tally.sent() - away.sent());
    EXPECT_GE(totals.received, tally.sent() - entered.sent());
    expect_balance(totals);
    EXPECT_EQ(count_with_tcpdump(stage.rig().file("late.pcapng")), totals.written);
  }
  const Totals totals = before.stop();
  expect_exact(totals, tally);
  expect_balance(totals);
  EXPECT_EQ(count_with_tcpdump(stage.rig().file("before.pcapng")), totals.written);
  expect_exact(witness.stop(), tally);
}

INSTANTIATE_TEST_SUITE_P(, Cpus, testing::ValuesIn(kTransports),
                         [](const testing::TestParamInfo<Transport>& transport) {
                           return std::string(name(transport.param));
                         });

}  // namespace
}  // namespace xdpcap::test

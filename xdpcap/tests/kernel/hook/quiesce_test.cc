// SPDX-License-Identifier: BSD-3-Clause
//
// After wait_for_running_programs(), no program that ran before still runs.
//
// A program that takes milliseconds counts when it begins and when it ends.  A thread runs it again and again; whenever it has
// begun, this waits, and it must have ended.

#include "xdpcap/kernel/quiesce.h"

#include <bpf/bpf.h>
#include <cbpfc/ebpf.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/tests/kernel/bpf_fixture.h"

namespace xdpcap {
namespace {

struct Runs {
  std::uint64_t begun = 0;
  std::uint64_t ended = 0;
};

UniqueFd load_slow_program(int runs_fd) {
  using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace)
  constexpr std::int32_t kRounds = 100'000;
  const auto count = [&](Assembly& code, std::uint32_t offset_bytes) {
    code.add_map_value(Reg::R1, runs_fd, offset_bytes);
    code.add(mov(Reg::R2, 1));
    code.add(atomic(Atomic::Add, Reg::R1, 0, Reg::R2));
  };
  Assembly code;
  count(code, 0);
  code.add(mov(Reg::R6, 0));
  code.label("again");
  code.add(call(BPF_FUNC_ktime_get_ns));
  code.add(alu(Alu::Add, Reg::R6, 1));
  code.jump_if(Cmp::Less, Reg::R6, kRounds, "again");
  count(code, sizeof(std::uint64_t));
  code.add(mov(Reg::R0, 1));
  code.add(exit_insn());
  return load_xdp_program({.name = "slow", .insns = code.assemble().value()}).value();
}

class Quiesce : public testing::Test {
 protected:
  Quiesce() {
    test::require_root();
    ::sched_getaffinity(0, sizeof(usual_), &usual_);
  }
  ~Quiesce() override {
    is_over_ = true;
    runner_.join();
    ::sched_setaffinity(0, sizeof(usual_), &usual_);
  }

  Runs runs() const {
    const std::uint32_t key = 0;
    Runs runs;
    bpf_map_lookup_elem(runs_fd_.get(), &key, &runs);
    return runs;
  }

  std::uint64_t await_run() const {
    Runs now = runs();
    while (now.begun == now.ended) {
      now = runs();
    }
    return now.begun;
  }

  void expect_that_all_end() const {
    constexpr int kRounds = 30;
    for (int round = 0; round < kRounds; ++round) {
      const std::uint64_t begun = await_run();
      ASSERT_TRUE(wait_for_running_programs());
      ASSERT_GE(runs().ended, begun) << "round " << round;
    }
  }

 private:
  UniqueFd runs_fd_ = create_array("runs", sizeof(Runs), 1).value();
  UniqueFd program_ = load_slow_program(runs_fd_.get());
  std::atomic<bool> is_over_ = false;
  cpu_set_t usual_{};
  std::thread runner_{[this] {
    const std::vector<std::uint8_t> packet(64);
    while (!is_over_) {
      test::test_run(program_.get(), packet);
    }
  }};
};

TEST_F(Quiesce, EveryProgramHasEnded) {
  cpu_set_t before;
  cpu_set_t after;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(before), &before), 0);
  expect_that_all_end();
  ASSERT_EQ(::sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after)) << "where this thread may run has changed";
}

// As in a container, or with isolated CPUs: then no CPU is visited.
TEST_F(Quiesce, EveryProgramHasEndedWhereThisThreadMayNotRun) {
  const int here = ::sched_getcpu();
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(here), &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
  expect_that_all_end();
  cpu_set_t after;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&one, &after)) << "it ran on other CPUs";
}

}  // namespace
}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// -sample keeps one packet in N from the first packet of each CPU and action on.
//
// Captures are made anew again and again, and get three packets on each CPU with each action.  Over all of them, the
// first packets are kept one in N, the second, and the third.  Each is judged by chi-square, of one degree of freedom;
// where everything is right, a run of all of these tests goes beyond the bound once in a million times.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "base/testing/one_cpu.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/program/capture_program.h"
#include "xdpcap/program/counters.h"
#include "xdpcap/program/ring_set.h"
#include "xdpcap/sharing/hook_capture.h"
#include "xdpcap/tests/kernel/bpf_fixture.h"

namespace xdpcap {
namespace {

constexpr std::size_t kPackets = 3;
constexpr Variant kPlain{.expected_attach_type = kAttachTypeXdp, .multi_buffer = false};

using Packet = std::vector<std::uint8_t>;

/// Packets that passed the limits, recorded or not.
std::uint64_t kept_packets(const ActionCounters& counters) {
  return std::accumulate(counters.begin(), counters.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const abi::Counters& one) {
                           return sum + one.matched - one.held_back;
                         });
}

double chi_square(double kept, double packets, double one_in) {
  const double off = kept - packets / one_in;
  return off * off / (packets / one_in * (1 - 1 / one_in));
}

void expect_one_in(std::uint32_t one_in, std::uint64_t kept, std::uint64_t packets) {
  constexpr double kBound = 36;
  EXPECT_LT(chi_square(static_cast<double>(kept), static_cast<double>(packets), one_in), kBound)
      << kept << " of " << packets << " were kept, wanted is one in " << one_in;
}

/// What HookCapture makes, less the hook.
class FreshCapture {
 public:
  FreshCapture(const RingSet& rings, std::uint32_t one_in) {
    for (const Action action : kActions) {
      const auto insns =
          build_capture_program(test::constant_filter(1), {.action = action,
                                                           .rings_fd = rings.map_fd(),
                                                           .counters_fd = counters_.get(),
                                                           .limits = {.sample_one_in = one_in}})
              .value();
      programs_.push_back(load_xdp_program({.name = "test_sample",
                                            .insns = insns,
                                            .expected_attach_type = kAttachTypeXdp,
                                            .multi_buffer = false})
                              .value());
    }
  }

  /// Sends a packet with each action on each CPU; how many of them were kept.
  std::uint64_t send_everywhere(int cpus) {
    for (int cpu = 0; cpu < cpus; ++cpu) {
      const test::OnOneCpu here(cpu);
      for (const UniqueFd& program : programs_) {
        test::test_run(program.get(), packet_);
      }
    }
    const std::uint64_t before =
        std::exchange(kept_, kept_packets(*read_counters(counters_.get())));
    return kept_ - before;
  }

 private:
  UniqueFd counters_ = create_counters().value();
  std::vector<UniqueFd> programs_;
  Packet packet_ = test::make_packet(60);
  std::uint64_t kept_ = 0;
};

class SampleTest : public testing::TestWithParam<std::uint32_t> {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

TEST_P(SampleTest, KeepsOneInNOfTheFirstPackets) {
  const std::uint32_t one_in = GetParam();
  const int cpus = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  const std::uint64_t packets_of_capture = static_cast<std::uint64_t>(cpus) * kActions.size();
  const std::uint64_t captures = std::max(500U, 40 * one_in) / packets_of_capture + 1;
  const RingSet rings = RingSet::create({.ring_bytes = 4096}).value();
  std::array<std::uint64_t, kPackets> kept{};
  for (std::uint64_t i = 0; i < captures; ++i) {
    FreshCapture capture(rings, one_in);
    for (std::uint64_t& of_all : kept) {
      of_all += capture.send_everywhere(cpus);
    }
  }
  for (std::size_t i = 0; i < kPackets; ++i) {
    SCOPED_TRACE(fmt::format("packet {} of each CPU and action", i + 1));
    expect_one_in(one_in, kept[i], captures * packets_of_capture);
  }
}

INSTANTIATE_TEST_SUITE_P(, SampleTest, testing::Values(2U, 3U, 10U, 100U),
                         testing::PrintToStringParamName());

class CaptureSampleTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { test::require_root(); }
};

TEST_F(CaptureSampleTest, IsSeeded) {
  constexpr std::uint64_t kCaptures = 40;
  const test::BpfDirectory directory;
  const UniqueFd map = test::make_hook();
  const UniqueFd target = test::load_target(map.get(), {.from_offset = 20}, kPlain);
  const Hook hook = Hook::open(directory.pin(map.get(), "hook")).value();
  std::uint64_t kept = 0;
  for (std::uint64_t i = 0; i < kCaptures; ++i) {
    const auto capture = HookCapture::attach(
        hook, test::constant_filter(1),
        {.actions = {kActions.begin(), kActions.end()}, .limits = {.sample_one_in = 2}});
    ASSERT_TRUE(capture.has_value()) << capture.error().message;
    for (const Action action : kActions) {
      Packet packet = test::make_packet(60);
      packet[20] = static_cast<std::uint8_t>(index(action));
      test::test_run(target.get(), packet);
    }
    kept += kept_packets(capture->counters().value());
  }
  expect_one_in(2, kept, kCaptures * kActions.size());
}

}  // namespace
}  // namespace xdpcap

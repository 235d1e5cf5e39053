// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/tests/kernel/end_to_end/flood.h"

#include <gtest/gtest.h>

#include <chrono>
#include <utility>

namespace xdpcap::test {

Flooded flood(const Rig& rig, std::uint32_t frames) {
  constexpr std::size_t kFrameBytes = 64;
  const std::uint64_t before = rig.arrived_frames();
  const auto inside = rig.sender().enter();
  const Generator generator(rig.sender_ifindex());
  const auto start = std::chrono::steady_clock::now();
  generator.send(numbered_frame(1, kFrameBytes), frames);
  EXPECT_EQ(generator.sent(), frames);
  std::uint64_t arrived = 0;
  const auto is_quiet = [&] {
    const std::uint64_t now = rig.arrived_frames();
    return std::exchange(arrived, now) == now;
  };
  EXPECT_TRUE(becomes_true(is_quiet));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  return {.arrived = arrived - before, .seconds = taken.count()};
}

void Flood::run(const Rig& rig) {
  constexpr std::uint32_t kBatch = 20'000;
  const auto inside = rig.sender().enter();
  const Generator generator(rig.sender_ifindex());
  const Bytes frame = numbered_frame(1, 200);
  while (!is_over_) {
    generator.send(frame, kBatch);
  }
}

}  // namespace xdpcap::test

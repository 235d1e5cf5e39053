// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/capture/clock.h"

#include <cstdlib>
#include <ctime>

namespace xdpcap {

namespace {

constexpr std::uint64_t kRefreshIntervalNs = 1'000'000'000;
constexpr int kSamples = 8;

std::uint64_t read_clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

std::uint64_t SystemTime::monotonic_ns() {
  return read_clock_ns(CLOCK_MONOTONIC);
}
std::uint64_t SystemTime::realtime_ns() {
  return read_clock_ns(CLOCK_REALTIME);
}

WallClock::WallClock(TimeSource& time)
    : time_(&time), offset_(sample()), sampled_at_ns_(time.monotonic_ns()) {}

WallClock::Offset WallClock::sample() {
  Offset best{.ns = 0, .uncertainty_ns = UINT64_MAX};
  std::uint64_t before_ns = time_->monotonic_ns();
  for (int i = 0; i < kSamples; ++i) {
    const std::uint64_t real_ns = time_->realtime_ns();
    const std::uint64_t after_ns = time_->monotonic_ns();
    // Rounded up: with clocks that tick slower than they are read, both ends may be equal.
    const std::uint64_t uncertainty_ns = (after_ns - before_ns + 1) / 2;
    if (uncertainty_ns < best.uncertainty_ns) {
      const std::uint64_t middle_ns = before_ns + (after_ns - before_ns) / 2;
      best = {.ns = static_cast<std::int64_t>(real_ns - middle_ns),
              .uncertainty_ns = uncertainty_ns};
    }
    before_ns = after_ns;
  }
  return best;
}

void WallClock::refresh(std::uint64_t now_monotonic_ns) {
  if (now_monotonic_ns - sampled_at_ns_ < kRefreshIntervalNs) {
    return;
  }
  sampled_at_ns_ = now_monotonic_ns;
  const Offset fresh = sample();
  const auto difference_ns = static_cast<std::uint64_t>(std::llabs(fresh.ns - offset_.ns));
  if (difference_ns > fresh.uncertainty_ns + offset_.uncertainty_ns) {
    offset_ = fresh;
  }
}

}  // namespace xdpcap

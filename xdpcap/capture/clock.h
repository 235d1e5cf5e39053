// SPDX-License-Identifier: BSD-3-Clause
//
// Kernel time to wall-clock time.
//
// Capture programs read CLOCK_MONOTONIC, files hold time since 1970.  No call reads both clocks at
// one moment, so the offset between them is bracketed:
//
//     m0 = monotonic   r = real   m1 = monotonic      offset = r - (m0 + m1) / 2,  wrong by at most
//     (m1 - m0) / 2
//
// Of several samples the tightest is kept, which leaves tens of nanoseconds.  Both clocks are
// slewed alike (NTP, adjtime), so the true offset changes only when somebody steps the wall clock
// (settimeofday, a leap second, resuming from suspend).  It is sampled anew once a second; a new
// offset is taken over only when the brackets of old and new do not overlap, so noise never makes
// times run backwards.
//
// Limits: packets recorded in the second before a step is noticed keep the old offset.
// Source: Linux v6.18 kernel/time/timekeeping.c (tk->wall_to_monotonic, bpf_ktime_get_ns via
// ktime_get_mono_fast_ns()). Tested by: xdpcap/tests/capture/clock_test.cc.

#pragma once

#include <cstdint>

namespace xdpcap {

/// The clocks of the machine, or a test's.
class TimeSource {
 public:
  virtual ~TimeSource() = default;
  virtual std::uint64_t monotonic_ns() = 0;
  virtual std::uint64_t realtime_ns() = 0;
};

/// CLOCK_MONOTONIC and CLOCK_REALTIME.
class SystemTime : public TimeSource {
 public:
  std::uint64_t monotonic_ns() override;
  std::uint64_t realtime_ns() override;
};

class WallClock {
 public:
  /// Ownership: borrows `time`, which must outlive the clock.
  explicit WallClock(TimeSource& time);

  /// Samples the offset anew if the last sample is a second old.
  void refresh(std::uint64_t now_monotonic_ns);

  /// Nanoseconds since 1970, UTC.
  std::uint64_t to_wall_ns(std::uint64_t ktime_ns) const {
    return ktime_ns + static_cast<std::uint64_t>(offset_.ns);
  }

 private:
  struct Offset {
    std::int64_t ns;               // wall - monotonic
    std::uint64_t uncertainty_ns;  // half the bracket
  };
  Offset sample();

  TimeSource* time_;
  Offset offset_;
  std::uint64_t sampled_at_ns_;
};

}  // namespace xdpcap

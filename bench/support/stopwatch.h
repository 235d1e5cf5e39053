// SPDX-License-Identifier: BSD-3-Clause

#pragma once

#include <ctime>

namespace bench {

/// Measures the processor time of this process, in the kernel too: other processes do not count.
class Stopwatch {
 public:
  /// Milliseconds since it was made, or since the last call.
  double lap_ms() {
    const double now = now_ms();
    const double took = now - start_;
    start_ = now;
    return took;
  }

 private:
  static double now_ms() {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
  }
  double start_ = now_ms();
};

}  // namespace bench

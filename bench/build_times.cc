// SPDX-License-Identifier: BSD-3-Clause

#include "build_times.h"

#include <algorithm>
#include <chrono>

#include "filter_list.h"
#include "kernel/program.h"
#include "lists.h"
#include "programs.h"

namespace bench {
namespace {

using cbpfc::Result;

constexpr int kTries = 3;

class Stopwatch {
 public:
  /// Milliseconds since it was made, or since the last call.
  double lap_ms() {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double, std::milli> took = now - start_;
    start_ = now;
    return took.count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Result<BuildTime> measure_once(const List& list, bool with_kernel) {
  BuildTime time{.what = list.name()};
  Stopwatch stopwatch;
  const auto filter = TRY(classic_filter(list.expression, false));
  time.front_end_ms = stopwatch.lap_ms();
  const Programs programs = TRY(fragment_programs(filter, true, {}));
  time.compile_ms = stopwatch.lap_ms();
  time.emitted_insns = programs.emitted_insns;
  if (with_kernel) {
    TRY(xdpcap::load_xdp_program({.name = "bench_list", .insns = programs.minimal}));
    time.load_ms = stopwatch.lap_ms();
  }
  return time;
}

BuildTime measure(const List& list, bool with_kernel) {
  std::vector<BuildTime> times;
  for (int i = 0; i < kTries; ++i) {
    auto time = measure_once(list, with_kernel);
    if (!time) {
      return {.what = list.name(), .failure = time.error().message};
    }
    times.push_back(*std::move(time));
  }
  return *std::ranges::min_element(times, {}, &BuildTime::total_ms);
}

}  // namespace

std::vector<BuildTime> measure_build_times(bool with_kernel) {
  std::vector<BuildTime> times;
  for (const List& list : make_lists()) {
    if (list.terms >= 1000) {
      times.push_back(measure(list, with_kernel));
    }
  }
  return times;
}

}  // namespace bench

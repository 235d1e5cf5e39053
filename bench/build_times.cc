// SPDX-License-Identifier: BSD-3-Clause

#include "build_times.h"

#include <algorithm>

#include "kernel/program.h"
#include "programs.h"
#include "stopwatch.h"

namespace bench {
namespace {

using cbpfc::Result;

constexpr int kTries = 3;
constexpr int kManyTerms = 1000;

Result<BuildTime> measure_once(const ListSubject& list, bool with_kernel) {
  BuildTime time{.what = list.row.name, .front_end_ms = list.front_end_ms};
  Stopwatch stopwatch;
  const Programs programs = TRY(fragment_programs(list.filter, true, {}));
  time.compile_ms = stopwatch.lap_ms();
  time.emitted_insns = programs.emitted_insns;
  if (with_kernel) {
    TRY(xdpcap::load_xdp_program({.name = "bench_list", .insns = programs.minimal}));
    time.load_ms = stopwatch.lap_ms();
  }
  return time;
}

BuildTime measure(const ListSubject& list, bool with_kernel) {
  std::vector<BuildTime> times;
  for (int i = 0; i < kTries; ++i) {
    auto time = measure_once(list, with_kernel);
    if (!time) {
      return {.what = list.row.name, .failure = time.error().message};
    }
    times.push_back(*std::move(time));
  }
  return *std::ranges::min_element(times, {}, &BuildTime::total_ms);
}

}  // namespace

std::vector<BuildTime> measure_build_times(std::span<const ListSubject> lists, bool with_kernel) {
  std::vector<BuildTime> times;
  for (const ListSubject& list : lists) {
    if (list.row.terms >= kManyTerms) {
      times.push_back(measure(list, with_kernel));
    }
  }
  return times;
}

}  // namespace bench

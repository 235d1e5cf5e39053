// SPDX-License-Identifier: BSD-3-Clause

#include "bench/compiler/build_times.h"

#include <cbpfc/compile.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/testing/drop_rules.h"
#include "bench/programs/filter_list.h"
#include "bench/programs/programs.h"
#include "bench/support/stopwatch.h"
#include "xdpcap/kernel/program.h"

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

/// The program around a set: the number of the rule as its value.
Result<Program> set_program(std::span<const cbpfc::Filter> filters, std::size_t& emitted_insns) {
  using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace)
  const cbpfc::EbpfOptions options{.spare = {Reg::R0, Reg::R1, Reg::R8, Reg::R9}};
  const Assembly fragment = TRY(cbpfc::compile_ebpf_set(filters, options));
  emitted_insns = fragment.size();
  Assembly program;
  program.add(load(Width::Word, Reg::R2, Reg::R1, 0));
  program.add(load(Width::Word, Reg::R3, Reg::R1, 4));
  program.append(fragment);
  program.label(options.result_label);
  program.add(mov32(Reg::R0, options.result));
  program.add(exit_insn());
  return program.assemble();
}

Result<BuildTime> measure_set(bool with_kernel) {
  BuildTime time{.what = kSetName};
  Stopwatch stopwatch;
  std::vector<cbpfc::Filter> filters;
  for (const xdpcap::test::DropRule& rule : xdpcap::test::drop_rules(kManyTerms)) {
    filters.push_back(TRY(classic_filter(rule.expression())));
  }
  time.front_end_ms = stopwatch.lap_ms();
  const Program program = TRY(set_program(filters, time.emitted_insns));
  time.compile_ms = stopwatch.lap_ms();
  if (with_kernel) {
    TRY(xdpcap::load_xdp_program({.name = "bench_set", .insns = program}));
    time.load_ms = stopwatch.lap_ms();
  }
  return time;
}

}  // namespace

BuildTime measure_set_build_time(bool with_kernel) {
  auto time = measure_set(with_kernel);
  return time ? *std::move(time) : BuildTime{.what = kSetName, .failure = time.error().message};
}

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

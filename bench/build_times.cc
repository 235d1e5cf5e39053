// SPDX-License-Identifier: BSD-3-Clause

#include "build_times.h"

#include <cbpfc/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "filter_list.h"
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

std::string address(std::uint32_t value) {
  return fmt::format("{}.{}.{}.{}", value >> 24, value >> 16 & 255, value >> 8 & 255, value & 255);
}

/// One rule, of one of five kinds in turn.
std::string drop_rule(int index, std::mt19937_64& random) {
  const auto below = [&random](std::uint32_t bound) {
    return static_cast<std::uint32_t>(random() % bound);
  };
  const std::uint32_t victim = 198U << 24 | 18U << 16 | below(1U << 17);
  const std::string source = address(below(0xdfffffff));
  switch (index % 5) {
    case 0: return fmt::format("ip src host {} and ip dst host {}", source, address(victim));
    case 1:
      return fmt::format("ip dst host {} and udp src port {} and greater {}", address(victim),
                         1 + below(1023), 100 + below(400));
    case 2:
      return fmt::format("ip src net {}/24 and tcp dst port {}", address(victim & ~255U),
                         1 + below(65535));
    case 3:
      return fmt::format("ip dst host {} and tcp[tcpflags] == tcp-syn and tcp[14:2] == {}",
                         address(victim), 512 + below(60000));
    default:
      return fmt::format("ip dst host {} and udp dst port {} and udp[8:4] == {:#x}",
                         address(victim), 1 + below(65535), below(0xffffffff));
  }
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
  for (const std::string& rule : drop_rules(kManyTerms)) {
    filters.push_back(TRY(classic_filter(rule, {})));
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

std::vector<std::string> drop_rules(int count) {
  constexpr std::uint64_t kSeed = 11;
  std::mt19937_64 random(kSeed);
  std::vector<std::string> rules;
  for (int i = 0; i < count; ++i) {
    rules.push_back(drop_rule(i, random));
  }
  return rules;
}

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

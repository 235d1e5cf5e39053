// SPDX-License-Identifier: BSD-3-Clause

#include "capture_costs.h"

#include <bpf/bpf.h>
#include <cbpfc/pcap_filter.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <numeric>
#include <random>

#include "attach/abi.h"
#include "attach/capture_program.h"
#include "attach/ring_set.h"
#include "capture/ring_reader.h"
#include "hook_target.h"
#include "kernel/capabilities.h"
#include "kernel/errors.h"
#include "kernel/map.h"
#include "kernel/program.h"
#include "kernel_timer.h"
#include "perf_reference.h"
#include "statistics.h"
#include "udp_packet.h"

namespace bench {
namespace {

using cbpfc::Result;
using xdpcap::UniqueFd;

/// Runs of a sample; three of these fit a ring.
constexpr std::uint32_t kRepeat = 4000;
constexpr std::uint64_t kRingBytes = 64ULL << 20U;
constexpr std::uint32_t kWatermarkBytes = 1U << 20U;

/// What is put into the hook, and the packet it gets.
struct Case {
  std::string what;
  std::vector<std::uint8_t> packet;
  UniqueFd program;             ///< not open: the hook stays empty
  std::vector<double> ns = {};  ///< by round
};

/// The maps that all capture programs here share.
struct Maps {
  xdpcap::RingSet rings;
  UniqueFd counters;
  UniqueFd shared;
  UniqueFd flows;
};

Result<UniqueFd> load_capture(const Maps& maps, const std::string& expression,
                              const xdpcap::CaptureLimits& limits, bool counts_only) {
  const auto raw = TRY(cbpfc::compile_expression(expression, {.for_compiler = true}));
  const auto filter = TRY(cbpfc::Filter::decode(raw, cbpfc::Accept::Compiler));
  const auto insns =
      TRY(xdpcap::build_capture_program(filter, {.action = xdpcap::Action::Pass,
                                                 .watermark_bytes = kWatermarkBytes,
                                                 .rings_fd = maps.rings.array_fd(),
                                                 .counters_fd = maps.counters.get(),
                                                 .limits = limits,
                                                 .shared_limits_fd = maps.shared.get(),
                                                 .flows_fd = maps.flows.get(),
                                                 .counts_only = counts_only}));
  return xdpcap::load_xdp_program({.name = "bench_capture", .insns = insns});
}

Result<std::vector<Case>> make_cases(const Maps& maps, const PerfReference& perf) {
  std::vector<Case> cases;
  const std::vector<std::uint8_t> small = udp_packet(64, 54);
  const auto add = [&](std::string what, const std::vector<std::uint8_t>& packet,
                       const std::string& expression, const xdpcap::CaptureLimits& limits = {},
                       bool counts_only = false) -> Result<void> {
    cases.push_back({.what = std::move(what),
                     .packet = packet,
                     .program = TRY(load_capture(maps, expression, limits, counts_only))});
    return {};
  };
  cases.push_back({.what = "hook empty", .packet = small, .program = {}});
  TRY(add("not matching: ip and udp port 53", small, "ip and udp port 53"));
  TRY(add("-count, not matching", small, "ip and udp port 53", {}, true));
  TRY(add("-count, matching", udp_packet(64, 53), "ip and udp port 53", {}, true));
  TRY(add("-sample 100", small, "", {.sample_one_in = 100}));
  TRY(add("-rate 10000", small, "", {.packets_per_second = 10000}));
  TRY(add("-per-flow 1", small, "", {.packets_per_flow = 1}));
  TRY(add("-c 1, reached", small, "", {.most_packets = 1}));
  for (const std::size_t size : {64U, 256U, 1500U}) {
    TRY(add("recorded", udp_packet(size, 53), "ip and udp port 53"));
    cases.push_back({.what = "perf buffer, tuned",
                     .packet = udp_packet(size, 53),
                     .program = TRY(perf.load(xdpcap::Action::Pass, false))});
  }
  return cases;
}

void empty(std::vector<xdpcap::RingReader>& readers, PerfReference& perf) {
  std::vector<xdpcap::RingRecord> records;
  for (xdpcap::RingReader& reader : readers) {
    reader.collect(records, ~std::size_t{0}, ~std::size_t{0});
    reader.release(reader.position());
  }
  perf.drain();
}

}  // namespace

Result<std::vector<CaptureCost>> measure_capture_costs(int rounds) {
  KernelTimer timer = TRY(KernelTimer::create());
  const HookTarget target = TRY(HookTarget::create(xdpcap::Action::Pass, false));
  TRY(timer.select(target.program_fd()));
  Maps maps{
      .rings = TRY(xdpcap::RingSet::create(kRingBytes)),
      .counters =
          TRY(xdpcap::create_per_cpu_array("bench_counters", sizeof(xdpcap::abi::Counters), 5)),
      .shared = TRY(xdpcap::create_array("bench_limits", sizeof(xdpcap::abi::SharedLimits), 1)),
      .flows = TRY(xdpcap::create_lru_hash("bench_flows", sizeof(xdpcap::abi::FlowKey),
                                           sizeof(std::uint64_t), xdpcap::kMostFlows))};
  std::vector<xdpcap::RingReader> readers;
  for (const UniqueFd& ring : maps.rings.rings()) {
    readers.push_back(TRY(xdpcap::RingReader::map(ring.get(), kRingBytes)));
  }
  PerfReference perf =
      TRY(PerfReference::create(std::array{::sched_getcpu()},
                                {.buffer_bytes = kRingBytes, .watermark_bytes = kWatermarkBytes}));
  std::vector<Case> cases = TRY(make_cases(maps, perf));
  std::vector<std::size_t> order(cases.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937 random(1);
  for (int round = 0; round < rounds; ++round) {
    std::ranges::shuffle(order, random);
    for (const std::size_t i : order) {
      Case& one = cases[i];
      TRY(target.put(one.program.is_open() ? one.program.get() : -1));
      one.ns.push_back(TRY(timer.time_ns(one.packet, kRepeat)));
      empty(readers, perf);
    }
  }
  std::vector<CaptureCost> costs;
  for (const Case& one : cases) {
    costs.push_back({.what = one.what,
                     .packet_bytes = static_cast<std::uint32_t>(one.packet.size()),
                     .ns = quantile(one.ns, 0.5),
                     .above_ns = summarize_difference(one.ns, cases.front().ns, 1).median});
  }
  return costs;
}

}  // namespace bench

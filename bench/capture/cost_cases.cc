// SPDX-License-Identifier: BSD-3-Clause

#include "bench/capture/cost_cases.h"

#include <cbpfc/ebpf.h>
#include <cbpfc/pcap_filter.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "bench/support/udp_packet.h"
#include "xdpcap/kernel/cpus.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/program/abi.h"
#include "xdpcap/program/capture_program.h"
#include "xdpcap/program/chain_state.h"
#include "xdpcap/program/counters.h"
#include "xdpcap/program/filter_code.h"

namespace bench {

using cbpfc::Result;
using xdpcap::UniqueFd;
namespace chain = xdpcap::chain;

namespace {

constexpr std::uint64_t kRingBytes = 64ULL << 20U;
constexpr std::uint32_t kWatermarkBytes = 1U << 20U;
constexpr std::size_t kSmallPacketBytes = 64;
constexpr std::size_t kJumboBytes = 9000;
constexpr const char* kFilter = "ip and udp port 53";

std::vector<std::uint8_t> matching(std::size_t bytes) {
  return udp_packet(bytes, 53);
}

std::vector<std::uint8_t> other(std::size_t bytes) {
  return udp_packet(bytes, 54);
}

/// What stands in a slot at the least.
Result<UniqueFd> load_only_returns() {
  using namespace cbpfc::ebpf;  // NOLINT(google-build-using-namespace)
  const std::array insns = {mov(Reg::R0, static_cast<std::int32_t>(xdpcap::Action::Pass)),
                            exit_insn()};
  return xdpcap::load_xdp_program({.name = "bench_return", .insns = insns});
}

struct OtherTransport {
  std::string what;
  xdpcap::ChosenTransport transport;
};

/// The other ways through a BPF ring buffer that this kernel has.
Result<std::vector<OtherTransport>> other_transports() {
  std::vector<OtherTransport> found;
  for (const auto transport :
       {xdpcap::Transport::Classes, xdpcap::Transport::Dynptr, xdpcap::Transport::Linear}) {
    const auto chosen = xdpcap::find_transport(
        {.expected_attach_type = xdpcap::kAttachTypeXdp, .multi_buffer = false}, transport);
    if (chosen) {
      found.push_back(
          {.what = "recorded, -transport " + std::string(name(transport)), .transport = *chosen});
    } else if (chosen.error().code != cbpfc::Errc::Unsupported) {
      return std::unexpected(chosen.error());
    }
  }
  return found;
}

}  // namespace

Result<CostMaps> CostMaps::create() {
  const std::array cpu = {::sched_getcpu()};
  CostMaps maps(TRY(xdpcap::RingSet::create(
                    {.transport = xdpcap::Transport::Shared, .ring_bytes = kRingBytes})),
                TRY(xdpcap::RingSet::create({.ring_bytes = kRingBytes})),
                TRY(PerfReference::create(
                    cpu, {.buffer_bytes = kRingBytes, .watermark_bytes = kWatermarkBytes})));
  maps.counters_ = TRY(xdpcap::create_counters());
  maps.shared_ = TRY(xdpcap::create_array("bench_limits", sizeof(xdpcap::abi::SharedLimits), 1));
  maps.flows_ = TRY(xdpcap::create_lru_hash("bench_flows", sizeof(xdpcap::abi::FlowKey),
                                            sizeof(std::uint64_t), xdpcap::kMostFlows));
  const std::uint32_t cpus = TRY(xdpcap::possible_cpus());
  maps.whole_packets_ = TRY(xdpcap::create_array("bench_whole", xdpcap::kWholePacketBytes, cpus));
  for (const xdpcap::RingSet* rings : {&maps.shared_rings_, &maps.rings_}) {
    auto readers = TRY(xdpcap::make_readers(*rings));
    std::ranges::move(readers, std::back_inserter(maps.readers_));
  }
  TRY(maps.make_chain(false));
  TRY(maps.make_chain(true));
  return maps;
}

Result<void> CostMaps::make_chain(bool is_multi_buffer) {
  CostChain& made = chains_[is_multi_buffer ? 1 : 0];
  made.state = TRY(xdpcap::create_mappable_array(chain::kStateMapName, chain::kStateBytes, 1));
  made.programs = TRY(xdpcap::create_program_array(chain::kProgramsMapName, chain::kProgramKeys));
  constexpr std::uint32_t kAll = (1U << chain::kMostCaptures) - 1;
  const xdpcap::Mapping mapping =
      TRY(xdpcap::map_pages(made.state.get(), chain::kStateBytes, PROT_READ | PROT_WRITE, 0));
  static_cast<chain::ChainState*>(mapping.get())->entered[index(xdpcap::Action::Pass)] = kAll;
  for (std::uint32_t followers = 0; followers + 1 < chain::kMostCaptures; ++followers) {
    const UniqueFd follower =
        TRY(load_capture({.expression = kFilter, .followers = followers}, is_multi_buffer));
    TRY(xdpcap::put_program(
        made.programs.get(),
        chain::program_key(xdpcap::Action::Pass, chain::kMostCaptures - 1 - followers),
        follower.get()));
  }
  return {};
}

Result<UniqueFd> CostMaps::load_capture(const CaptureKind& kind, bool is_multi_buffer) const {
  const auto raw = TRY(cbpfc::compile_expression(kind.expression));
  const auto filter = TRY(cbpfc::Filter::decode(raw, cbpfc::Accept::Compiler));
  const xdpcap::RingSet& rings =
      kind.transport.transport == xdpcap::Transport::Shared ? shared_rings_ : rings_;
  const CostChain& chain_maps = chains_[is_multi_buffer ? 1 : 0];
  const auto insns = TRY(xdpcap::build_capture_program(
      filter, {.action = xdpcap::Action::Pass,
               .watermark_bytes = kWatermarkBytes,
               .transport = kind.transport,
               .multi_buffer = is_multi_buffer,
               .rings_fd = rings.map_fd(),
               .ring_bytes = rings.ring_bytes(),
               .wakeup_fd = rings.wakeup_fd(),
               .counters_fd = counters_.get(),
               .whole_packets_fd = is_multi_buffer ? whole_packets_.get() : -1,
               .limits = kind.limits,
               .shared_limits_fd = shared_.get(),
               .flows_fd = flows_.get(),
               .counts_only = kind.counts_only,
               .chain_state_fd = chain_maps.state.get(),
               .chain_programs_fd = chain_maps.programs.get(),
               .position = chain::kMostCaptures - 1 - kind.followers}));
  return xdpcap::load_xdp_program(
      {.name = "bench_capture", .insns = insns, .multi_buffer = is_multi_buffer});
}

Result<UniqueFd> CostMaps::load_perf(bool is_multi_buffer) const {
  return perf_.load(xdpcap::Action::Pass, is_multi_buffer);
}

void CostMaps::drain() {
  std::vector<xdpcap::RingRecord> records;
  for (const auto& reader : readers_) {
    reader->answer();
    reader->collect(records, ~std::size_t{0}, ~std::size_t{0});
    reader->release(reader->position());
  }
  perf_.drain();
}

Result<std::vector<CostCase>> make_cost_cases(const CostMaps& maps) {
  const std::vector<OtherTransport> others = TRY(other_transports());
  std::vector<CostCase> cases;
  const auto add = [&](std::string what, std::vector<std::uint8_t> packet,
                       const CaptureKind& kind) -> Result<void> {
    const bool is_multi_buffer = packet.size() == kJumboBytes;
    cases.push_back({.what = std::move(what),
                     .packet = std::move(packet),
                     .is_multi_buffer = is_multi_buffer,
                     .program = TRY(maps.load_capture(kind, is_multi_buffer))});
    return {};
  };
  const auto add_recorded = [&](std::size_t bytes) -> Result<void> {
    const bool is_multi_buffer = bytes == kJumboBytes;
    TRY(add(cost_name::kRecorded, matching(bytes), {.expression = kFilter}));
    for (const auto& [what, transport] : others) {
      TRY(add(what, matching(bytes), {.expression = kFilter, .transport = transport}));
    }
    cases.push_back({.what = cost_name::kPerf,
                     .packet = matching(bytes),
                     .is_multi_buffer = is_multi_buffer,
                     .program = TRY(maps.load_perf(is_multi_buffer))});
    return {};
  };
  cases.push_back({.what = cost_name::kEmpty, .packet = other(kSmallPacketBytes)});
  TRY(add(cost_name::kNotMatching, other(kSmallPacketBytes), {.expression = kFilter}));
  cases.push_back({.what = cost_name::kOnlyReturns,
                   .packet = other(kSmallPacketBytes),
                   .program = TRY(load_only_returns())});
  for (const std::uint32_t followers : kFollowers) {
    TRY(add(cost_name::followed_by(followers), other(kSmallPacketBytes),
            {.expression = kFilter, .followers = followers}));
  }
  TRY(add("-count, not matching", other(kSmallPacketBytes),
          {.expression = kFilter, .counts_only = true}));
  TRY(add("-count, matching", matching(kSmallPacketBytes),
          {.expression = kFilter, .counts_only = true}));
  TRY(add("-sample 100", other(kSmallPacketBytes), {.limits = {.sample_one_in = 100}}));
  TRY(add("-rate 10000", other(kSmallPacketBytes), {.limits = {.packets_per_second = 10000}}));
  TRY(add("-per-flow 1", other(kSmallPacketBytes), {.limits = {.packets_per_flow = 1}}));
  TRY(add("-c 1, reached", other(kSmallPacketBytes), {.limits = {.most_packets = 1}}));
  for (const std::size_t bytes : {kSmallPacketBytes, std::size_t{256}, std::size_t{1500}}) {
    TRY(add_recorded(bytes));
  }
  cases.push_back(
      {.what = cost_name::kEmpty, .packet = other(kJumboBytes), .is_multi_buffer = true});
  TRY(add(cost_name::kNotMatching, other(kJumboBytes), {.expression = kFilter}));
  TRY(add_recorded(kJumboBytes));
  return cases;
}

}  // namespace bench

// SPDX-License-Identifier: BSD-3-Clause

#include "bench/live/live_cases.h"

#include <array>

#include "bench/support/placement.h"

namespace bench {
namespace {

constexpr std::uint64_t kMib = 1U << 20U;
constexpr std::uint64_t kRingBytes = 64 * kMib;  // of a CPU

LiveCase xdpcap_case(std::string name, std::vector<std::string> options) {
  options.insert(options.end(), {"-buffer", std::to_string(kRingBytes)});
  return {.name = std::move(name),
          .reader = ReaderKind::Xdpcap,
          .options = std::move(options),
          .ring_bytes = kRingBytes * (static_cast<std::uint64_t>(last_cpu()) + 1)};
}

LiveCase perf_case(std::string name, const PerfSize& size) {
  return {.name = std::move(name),
          .reader = ReaderKind::PerfBuffer,
          .ring_bytes = size.buffer_bytes * (static_cast<std::uint64_t>(last_cpu()) + 1),
          .perf = size};
}

/// The target drops: the least a target can cost, so what a capture costs shows most.
void add_dropping(std::vector<LiveCase>& cases) {
  cases.push_back({.name = case_name::kNoCapture, .writes_file = false});
  LiveCase not_matching = xdpcap_case(case_name::kNotMatching, {});
  not_matching.filter = "ip and udp port 53";
  not_matching.matches = Matches::Nothing;
  cases.push_back(std::move(not_matching));
  cases.push_back({.name = case_name::kCount,
                   .reader = ReaderKind::Xdpcap,
                   .options = {"-count"},
                   .writes_file = false});
  for (const auto& [name, option, number] : {std::array{case_name::kSample, "-sample", "100"},
                                             std::array{case_name::kRate, "-rate", "10000"}}) {
    cases.push_back(xdpcap_case(name, {option, number}));
  }
  cases.push_back(xdpcap_case(case_name::kEverything, {}));
  cases.push_back(xdpcap_case(case_name::kDiscarded, {}));
  cases.back().discards = true;
  cases.push_back(
      perf_case(case_name::kPerfDefaults, {.buffer_bytes = 8192, .watermark_bytes = 1}));
  cases.push_back(
      perf_case(case_name::kPerfTuned, {.buffer_bytes = kRingBytes, .watermark_bytes = 1U << 20U}));
}

/// The target passes, as it must for a packet socket to see anything.
void add_passing(std::vector<LiveCase>& cases) {
  const std::size_t first = cases.size();
  cases.push_back({.name = case_name::kNoCapture, .writes_file = false});
  cases.push_back(xdpcap_case(case_name::kEverything, {}));
  cases.push_back({.name = case_name::kTcpdump,
                   .reader = ReaderKind::Tcpdump,
                   .ring_bytes = 2 * kMib});  // libpcap's default
  cases.push_back({.name = case_name::kTcpdumpTuned,
                   .reader = ReaderKind::Tcpdump,
                   .options = {"-B", "65536"},
                   .ring_bytes = kRingBytes});
  for (std::size_t i = first; i < cases.size(); ++i) {
    cases[i].action = xdpcap::Action::Pass;
  }
}

}  // namespace

std::vector<LiveCase> live_cases() {
  std::vector<LiveCase> cases;
  add_dropping(cases);
  add_passing(cases);
  return cases;
}

}  // namespace bench

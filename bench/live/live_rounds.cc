// SPDX-License-Identifier: BSD-3-Clause

#include "bench/live/live_rounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <random>
#include <sstream>

#include "bench/support/placement.h"

namespace bench {
namespace {

using cbpfc::Result;

constexpr std::uint32_t kSmallBytes = 64;
constexpr std::uint32_t kLargeBytes = 1500;

std::uint64_t available_bytes() {
  std::ostringstream text;
  text << std::ifstream("/proc/meminfo").rdbuf();
  return status_bytes(text.str(), "MemAvailable");
}

/// What is measured, and where.
class Bench {
 public:
  static Result<Bench> create(const LiveOptions& options) {
    // A file system that takes more than half of what is there could bring the machine down.
    return Bench(options, TRY(LiveStage::create(xdpcap::Action::Drop)),
                 TRY(LiveStage::create(xdpcap::Action::Pass)),
                 TRY(DetachedMount::tmpfs(available_bytes() / 2)));
  }

  void run(const LiveCase& what, std::uint32_t packet_bytes, std::uint64_t packets, int round,
           std::vector<LiveRun>& runs) {
    const LiveStage& stage = what.action == xdpcap::Action::Drop ? dropping_ : passing_;
    auto run = run_live(
        stage, what, {.xdpcap = options_.xdpcap, .packet_bytes = packet_bytes, .packets = packets},
        files_);
    if (run) {
      run->round = round;
      runs.push_back(std::move(*run));
      return;
    }
    const std::string failure = fmt::format("{}, {} bytes, round {}: {}", what.name, packet_bytes,
                                            round, run.error().message);
    results.failures.push_back(failure);
  }

  void run_round(const std::vector<LiveCase>& cases, int round, std::mt19937& random) {
    std::vector<std::pair<const LiveCase*, std::uint32_t>> order;
    for (const LiveCase& one : cases) {
      order.emplace_back(&one, kSmallBytes);
      order.emplace_back(&one, kLargeBytes);
    }
    std::ranges::shuffle(order, random);
    for (const auto& [one, packet_bytes] : order) {
      run(*one, packet_bytes, packet_bytes == kSmallBytes ? options_.packets : options_.packets / 2,
          round, results.runs);
    }
  }

  /// Everything captured, as many packets as a third of the memory can hold.
  void run_full(const LiveCase& everything) {
    // With pcapng's headers; blocks do not cross pages.
    constexpr std::array kFileBytes = {std::pair{kSmallBytes, 160U}, std::pair{kLargeBytes, 2048U}};
    for (const auto& [packet_bytes, file_bytes] : kFileBytes) {
      run(everything, packet_bytes,
          std::min(options_.full_packets, available_bytes() / 3 / file_bytes), 0, results.full);
    }
  }

  LiveResults results;

 private:
  Bench(LiveOptions options, LiveStage dropping, LiveStage passing, DetachedMount files)
      : options_(std::move(options)),
        dropping_(std::move(dropping)),
        passing_(std::move(passing)),
        files_(std::move(files)) {}

  LiveOptions options_;
  LiveStage dropping_;
  LiveStage passing_;
  DetachedMount files_;
};

}  // namespace

Result<LiveResults> measure_live(const LiveOptions& options, const LiveProgress& progress) {
  TRY(stay_on_cpu(last_cpu()));
  Bench bench = TRY(Bench::create(options));
  const std::vector<LiveCase> cases = live_cases();
  std::mt19937 random(1);
  for (int round = 1; round <= options.rounds; ++round) {
    progress(round);
    bench.run_round(cases, round, random);
  }
  progress(0);
  const auto everything = std::ranges::find(cases, case_name::kEverything, &LiveCase::name);
  bench.run_full(*everything);
  return std::move(bench.results);
}

}  // namespace bench

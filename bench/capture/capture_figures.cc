// SPDX-License-Identifier: BSD-3-Clause

#include "bench/capture/capture_figures.h"

#include <fmt/format.h>

#include <algorithm>

#include "bench/capture/cost_cases.h"
#include "bench/live/live_summary.h"
#include "bench/support/statistics.h"

namespace bench {
namespace {

constexpr std::uint32_t kSmallBytes = 64;
constexpr std::uint32_t kLargeBytes = 1500;

// In each round, what `what` costs more than `than`.
std::optional<double> median_difference_ns(const CaptureCost* what, const CaptureCost* than) {
  if (what == nullptr || than == nullptr) {
    return std::nullopt;
  }
  return summarize_difference(what->above_ns, than->above_ns, 1).median;
}

const CaptureCost* find_cost(const std::vector<CaptureCost>& costs, std::string_view what) {
  const auto found = std::ranges::find_if(costs, [&](const CaptureCost& cost) {
    return cost.what == what && cost.packet_bytes == kSmallBytes;
  });
  return found == costs.end() || found->above_ns.empty() ? nullptr : &*found;
}

std::optional<double> median_above_ns(const CaptureCost* cost) {
  return cost == nullptr ? std::nullopt : std::optional(quantile(cost->above_ns, 0.5));
}

// What a capture costs where another has to be in the slot, too, and what each further one does.
void add_shared(std::vector<CaptureFigure>& figures, const std::vector<CaptureCost>& costs) {
  const CaptureCost* alone = find_cost(costs, cost_name::kNotMatching);
  figures.push_back(
      {.what = "64 B, not matching, above a program that only returns",
       .limit = 7,
       .measured = median_difference_ns(alone, find_cost(costs, cost_name::kOnlyReturns)),
       .unit = "ns",
       .digits = 1});
  for (const std::uint32_t followers : kFollowers) {
    std::optional<double> all =
        median_difference_ns(find_cost(costs, cost_name::followed_by(followers)), alone);
    figures.push_back(
        {.what = fmt::format("64 B, not matching, each of {} further captures", followers),
         .limit = 12,
         .measured = all ? std::optional(*all / followers) : std::nullopt,
         .unit = "ns",
         .digits = 1});
  }
}

void add_costs(std::vector<CaptureFigure>& figures, const std::vector<CaptureCost>& costs) {
  const CaptureCost* recorded = find_cost(costs, cost_name::kRecorded);
  const CaptureCost* perf = find_cost(costs, cost_name::kPerf);
  figures.push_back({.what = "64 B, not matching \"ip and udp port 53\", above an empty hook",
                     .limit = 15,
                     .measured = median_above_ns(find_cost(costs, cost_name::kNotMatching)),
                     .unit = "ns",
                     .digits = 1});
  figures.push_back({.what = "64 B, recorded, above an empty hook",
                     .limit = 150,
                     .measured = median_above_ns(recorded),
                     .unit = "ns",
                     .digits = 1});
  std::optional<double> ratio;
  if (recorded != nullptr && perf != nullptr) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < recorded->above_ns.size(); ++i) {
      ratios.push_back(recorded->above_ns[i] / perf->above_ns[i]);
    }
    ratio = quantile(std::move(ratios), 0.5);
  }
  figures.push_back({.what = "64 B, recorded, to the tuned perf buffer",
                     .limit = 0.5,
                     .measured = ratio,
                     .digits = 2});
}

RunKey dropping(std::string_view what, std::uint32_t packet_bytes) {
  return {.what = what, .action = xdpcap::Action::Drop, .packet_bytes = packet_bytes};
}

/// Packets lost in all runs of a case; none without a run.
std::optional<double> lost(const std::vector<LiveRun>& runs, std::string_view what,
                           std::uint32_t packet_bytes) {
  std::optional<double> sum;
  for (const LiveRun& run : runs) {
    if (run.what == what && run.action == xdpcap::Action::Drop &&
        run.packet_bytes == packet_bytes) {
      sum = sum.value_or(0) + static_cast<double>(run.lost);
    }
  }
  return sum;
}

void add_everything(std::vector<CaptureFigure>& figures, const LiveResults& live,
                    std::uint32_t packet_bytes, double least_share) {
  const RunKey everything = dropping(case_name::kEverything, packet_bytes);
  const RunKey tuned = dropping(case_name::kPerfTuned, packet_bytes);
  const auto add = [&](std::string what, Bound bound, double limit, std::optional<double> measured,
                       int digits) {
    figures.push_back({.what = fmt::format("{} B, everything, {}", packet_bytes, what),
                       .bound = bound,
                       .limit = limit,
                       .measured = measured,
                       .digits = digits});
  };
  add("forwarded, to no capture", Bound::Lower, least_share, median_share(live.runs, everything),
      2);
  add("forwarded, to the tuned perf reference", Bound::Lower, 3,
      median_ratio(live.runs, everything, tuned, Rate::Forwarded), 2);
  add("written a second, to the tuned perf reference", Bound::Lower, 3,
      median_ratio(live.runs, everything, tuned, Rate::Written), 2);
  add("lost with 64 MiB a CPU, packets", Bound::Upper, 0,
      lost(live.runs, case_name::kEverything, packet_bytes), 0);
  const auto full = std::ranges::find(live.full, packet_bytes, &LiveRun::packet_bytes);
  if (full == live.full.end()) {
    add("lost at full length, packets", Bound::Upper, 0, std::nullopt, 0);
  } else {
    add(fmt::format("lost of {} at full length, packets", full->sent.arrived), Bound::Upper, 0,
        static_cast<double>(full->lost), 0);
  }
}

void add_limited(std::vector<CaptureFigure>& figures, const LiveResults& live) {
  for (const char* what : {case_name::kSample, case_name::kRate}) {
    for (const std::uint32_t packet_bytes : {kSmallBytes, kLargeBytes}) {
      figures.push_back(
          {.what = fmt::format("{} B, {}, forwarded, to no capture", packet_bytes, what),
           .bound = Bound::Lower,
           .limit = 0.9,
           .measured = median_share(live.runs, dropping(what, packet_bytes)),
           .digits = 2});
    }
  }
}

/// Over all captures by xdpcap.
void add_sums(std::vector<CaptureFigure>& figures, const LiveResults& live) {
  constexpr double kMib = 1024.0 * 1024.0;
  std::optional<double> most_mib;
  std::optional<double> imbalances;
  std::vector<LiveRun> all = live.runs;
  all.insert(all.end(), live.full.begin(), live.full.end());
  for (const LiveRun& run : all) {
    if (run.reader == ReaderKind::Xdpcap) {
      most_mib = std::max(most_mib.value_or(0), static_cast<double>(run.own_bytes()) / kMib);
      imbalances = imbalances.value_or(0) + (run.imbalance.empty() ? 0 : 1);
    }
  }
  figures.push_back({.what = "memory of the reader beyond -buffer for each CPU",
                     .limit = 16,
                     .measured = most_mib,
                     .unit = "MiB",
                     .digits = 1});
  figures.push_back(
      {.what = "captures whose numbers do not add up", .limit = 0, .measured = imbalances});
}

}  // namespace

std::vector<CaptureFigure> capture_figures(const CaptureResults& results) {
  std::vector<CaptureFigure> figures;
  add_costs(figures, results.costs);
  add_shared(figures, results.costs);
  add_everything(figures, results.live, kSmallBytes, 0.6);
  add_everything(figures, results.live, kLargeBytes, 0.5);
  add_limited(figures, results.live);
  add_sums(figures, results.live);
  return figures;
}

}  // namespace bench

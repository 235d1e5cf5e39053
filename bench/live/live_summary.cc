// SPDX-License-Identifier: BSD-3-Clause

#include "bench/live/live_summary.h"

#include <algorithm>

#include "bench/support/statistics.h"

namespace bench {
namespace {

bool is(const LiveRun& run, const RunKey& key) {
  return run.what == key.what && run.action == key.action && run.packet_bytes == key.packet_bytes;
}

/// With fewer, what the reader spends is its start and its end.
constexpr std::uint64_t kLeastWritten = 100'000;

/// As a share of the baseline.
double share(const LiveRun& run, Rate rate) {
  if (rate == Rate::Forwarded || run.baseline_per_second <= 0) {
    return run.to_no_capture();
  }
  return run.written_per_second() / run.baseline_per_second;
}

const LiveRun* find_run(const std::vector<LiveRun>& runs, const RunKey& key, int round) {
  const auto found = std::ranges::find_if(
      runs, [&](const LiveRun& run) { return is(run, key) && run.round == round; });
  return found == runs.end() ? nullptr : &*found;
}

template <typename Value>
double median_of(const std::vector<const LiveRun*>& runs, Value value) {
  std::vector<double> values;
  for (const LiveRun* run : runs) {
    values.push_back(value(*run));
  }
  return quantile(std::move(values), 0.5);
}

Spread spread_of_shares(const std::vector<const LiveRun*>& runs) {
  std::vector<double> shares;
  for (const LiveRun* run : runs) {
    shares.push_back(run->to_no_capture());
  }
  return {
      .least = quantile(shares, 0), .median = quantile(shares, 0.5), .most = quantile(shares, 1)};
}

LiveRow summarize_case(const std::vector<const LiveRun*>& runs) {
  const LiveRun& first = *runs.front();
  LiveRow row{.what = first.what,
              .action = first.action,
              .packet_bytes = first.packet_bytes,
              .ring_bytes = first.ring_bytes};
  std::uint64_t arrived = 0;
  bool has_written = true;
  for (const LiveRun* run : runs) {
    arrived += run->sent.arrived;
    row.lost += run->lost;
    row.most_own_bytes = std::max(row.most_own_bytes, run->own_bytes());
    has_written = has_written && run->written >= kLeastWritten;
  }
  row.lost_share = arrived > 0 ? static_cast<double>(row.lost) / static_cast<double>(arrived) : 0;
  row.packets_per_second =
      median_of(runs, [](const LiveRun& run) { return run.sent.packets_per_second(); });
  row.to_no_capture = spread_of_shares(runs);
  row.written_per_second =
      median_of(runs, [](const LiveRun& run) { return run.written_per_second(); });
  row.file_bytes =
      median_of(runs, [](const LiveRun& run) { return static_cast<double>(run.file_bytes); });
  if (has_written) {
    row.cpu_seconds_per_million = median_of(runs, [](const LiveRun& run) {
      return run.reader_cpu_seconds / static_cast<double>(run.written) * 1e6;
    });
  }
  return row;
}

}  // namespace

std::vector<LiveRow> summarize_live(const std::vector<LiveRun>& runs,
                                    const std::vector<LiveCase>& cases) {
  std::vector<std::uint32_t> sizes;
  for (const LiveRun& run : runs) {
    sizes.push_back(run.packet_bytes);
  }
  std::ranges::sort(sizes);
  const auto rest = std::ranges::unique(sizes);
  sizes.erase(rest.begin(), rest.end());
  std::vector<LiveRow> rows;
  for (const std::uint32_t packet_bytes : sizes) {
    for (const LiveCase& one : cases) {
      std::vector<const LiveRun*> of_case;
      for (const LiveRun& run : runs) {
        if (is(run, {.what = one.name, .action = one.action, .packet_bytes = packet_bytes})) {
          of_case.push_back(&run);
        }
      }
      if (!of_case.empty()) {
        rows.push_back(summarize_case(of_case));
      }
    }
  }
  return rows;
}

std::optional<double> median_ratio(const std::vector<LiveRun>& runs, const RunKey& over,
                                   const RunKey& under, Rate rate) {
  std::vector<double> ratios;
  for (const LiveRun& run : runs) {
    const LiveRun* other = is(run, over) ? find_run(runs, under, run.round) : nullptr;
    if (other != nullptr && share(*other, rate) > 0) {
      ratios.push_back(share(run, rate) / share(*other, rate));
    }
  }
  return ratios.empty() ? std::nullopt : std::optional(quantile(std::move(ratios), 0.5));
}

std::optional<double> median_share(const std::vector<LiveRun>& runs, const RunKey& of) {
  std::vector<double> shares;
  for (const LiveRun& run : runs) {
    if (is(run, of)) {
      shares.push_back(run.to_no_capture());
    }
  }
  return shares.empty() ? std::nullopt : std::optional(quantile(std::move(shares), 0.5));
}

}  // namespace bench

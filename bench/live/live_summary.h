// SPDX-License-Identifier: BSD-3-Clause
//
// Rounds of live cases, summed up.  Pure.
//
// Tested by: bench/tests/live_summary_test.cc.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/live/live_run.h"

namespace bench {

struct Spread {
  double least = 0;
  double median = 0;
  double most = 0;
};

/// A case and packet; medians over the rounds where nothing else is said.
struct LiveRow {
  std::string what;
  xdpcap::Action action = xdpcap::Action::Drop;
  std::uint32_t packet_bytes = 0;
  double packets_per_second = 0;  ///< through the target
  Spread to_no_capture = {};      ///< LiveRun::to_no_capture()
  double written_per_second = 0;  ///< those of them that are in the file in the end
  double lost_share = 0;          ///< of all that arrived in all rounds
  std::uint64_t lost = 0;         ///< in all rounds
  /// Of the reader, packets written; none where a round wrote fewer than 100,000.
  std::optional<double> cpu_seconds_per_million = std::nullopt;
  std::uint64_t most_own_bytes = 0;  ///< the most of all rounds
  std::uint64_t ring_bytes = 0;
  double file_bytes = 0;
};

/// In the order in which they come first in `cases`.
std::vector<LiveRow> summarize_live(const std::vector<LiveRun>& runs,
                                    const std::vector<LiveCase>& cases);

enum class Rate : std::uint8_t { Forwarded, Written };
struct RunKey {
  std::string_view what;
  xdpcap::Action action = xdpcap::Action::Drop;
  std::uint32_t packet_bytes = 0;
};

/// The median over the rounds of a case's rate, as a share of its baseline, to that of another in the same round.
/// nullopt when no round has both.
std::optional<double> median_ratio(const std::vector<LiveRun>& runs, const RunKey& over,
                                   const RunKey& under, Rate rate);

/// The median over the rounds of to_no_capture(); nullopt without a round.
std::optional<double> median_share(const std::vector<LiveRun>& runs, const RunKey& of);

}  // namespace bench

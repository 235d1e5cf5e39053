// SPDX-License-Identifier: BSD-3-Clause
//
// One live measurement: a capture is started, packets are sent, it is stopped, and everybody's numbers are compared.
//
// Right before and after, half as many packets each are sent without a capture: the machine's moods last longer than a
// measurement, so a rate is trusted only as a share of these.

#pragma once

#include <cbpfc/result.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "bench/live/live_cases.h"
#include "bench/live/live_stage.h"
#include "bench/live/live_text.h"
#include "bench/support/detached_mount.h"

namespace bench {

struct LiveRun {
  std::string what;
  ReaderKind reader = ReaderKind::None;
  xdpcap::Action action = xdpcap::Action::Drop;
  std::uint32_t packet_bytes = 0;
  int round = 0;
  Sent sent = {};
  double baseline_per_second = 0;  ///< through the target without a capture, right before and after
  Totals totals = {};              ///< as the reader says
  std::uint64_t written = 0;
  std::uint64_t lost = 0;         ///< arrived, matched, not held back, and not written
  double reader_cpu_seconds = 0;  ///< from the first packet to its end
  std::uint64_t most_resident_bytes =
      0;  ///< of the reader; rings' pages count as often as it maps them
  std::uint64_t resident_ring_bytes = 0;  ///< what mapped rings are of that
  std::uint64_t ring_bytes = 0;           ///< of all CPUs, once
  std::uint64_t file_bytes = 0;
  double end_seconds = 0;      ///< from the last packet to the reader's end
  std::string imbalance = {};  ///< which numbers do not add up; empty: they all do

  double to_no_capture() const {
    return baseline_per_second > 0 ? sent.packets_per_second() / baseline_per_second : 0;
  }
  /// Until the last of them is in the file and the reader has ended.
  double written_per_second() const {
    const double seconds = sent.seconds + end_seconds;
    return seconds > 0 ? static_cast<double>(written) / seconds : 0;
  }
  std::uint64_t own_bytes() const {
    return most_resident_bytes - std::min(most_resident_bytes, resident_ring_bytes);
  }
};

struct LivePlan {
  std::string xdpcap;  ///< command
  std::uint32_t packet_bytes = 0;
  std::uint64_t packets = 0;
};

/// Measures one case.  Nothing of it is left when this returns.
/// Errors: Errc::Kernel, Errc::Syntax, with what the reader printed.
cbpfc::Result<LiveRun> run_live(const LiveStage& stage, const LiveCase& what, const LivePlan& plan,
                                const DetachedMount& files);

}  // namespace bench

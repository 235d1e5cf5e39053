// SPDX-License-Identifier: BSD-3-Clause
//
// The figures captures are held to, with what was measured.  Pure.
//
// Tested by: bench/tests/live_summary_test.cc.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/capture/capture_costs.h"
#include "bench/live/live_rounds.h"

namespace bench {

struct CaptureResults {
  std::vector<CaptureCost> costs = {};
  LiveResults live = {};
};

enum class Bound : std::uint8_t { Upper, Lower };

struct CaptureFigure {
  std::string what;
  Bound bound = Bound::Upper;
  double limit = 0;
  std::optional<double> measured = std::nullopt;  ///< none: not in this run
  std::string unit = {};
  int digits = 0;

  bool is_reached() const {
    return measured && (bound == Bound::Upper ? *measured <= limit : *measured >= limit);
  }
};

std::vector<CaptureFigure> capture_figures(const CaptureResults& results);

}  // namespace bench

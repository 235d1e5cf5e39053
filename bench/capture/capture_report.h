// SPDX-License-Identifier: BSD-3-Clause
//
// The results of capture_bench for people (tables, a picture) and for programs (CSV).

#pragma once

#include <cbpfc/result.h>

#include <string>

#include "bench/capture/capture_figures.h"

namespace bench {

inline constexpr double kMillion = 1e6;  ///< packets in a Mpps, a second long

/// The tables, and the figures to reach.
std::string capture_table(const CaptureResults& results);

/// One line for each case and round.
std::string capture_csv(const CaptureResults& results);

/// Draws cost by packet size, and rates by case, as PNG, or SVG if the name ends so.
/// Errors: Errc::NotFound without gnuplot; Errc::Io.
cbpfc::Result<void> draw_captures(const CaptureResults& results, const std::string& path);

}  // namespace bench

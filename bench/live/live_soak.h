// SPDX-License-Identifier: BSD-3-Clause
//
// A long capture of a flood: does the reader's memory stay what it was?
//
// Everything is captured, to /dev/null, so that nothing grows but what should not.

#pragma once

#include <cbpfc/result.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "bench/live/live_text.h"

namespace bench {

/// A number over time.
struct Course {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t most = 0;
  void add(std::uint64_t value, bool is_first);
};

struct SoakResult {
  std::uint64_t seconds = 0;  ///< samples, one a second
  std::uint64_t arrived = 0;
  double flood_seconds = 0;
  Course resident_bytes = {};
  Course descriptors = {};
  std::uint64_t resident_ring_bytes = 0;
  Totals totals = {};
  double reader_cpu_seconds = 0;
};

/// Floods for so long with packets of 64 bytes; `xdpcap` is the command.
/// Errors: those of the stage and the reader.
cbpfc::Result<SoakResult> soak(const std::string& xdpcap, std::chrono::seconds duration);

std::string soak_text(const SoakResult& result);

}  // namespace bench

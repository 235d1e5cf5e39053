// SPDX-License-Identifier: BSD-3-Clause
//
// All live cases, several rounds of them in random order, and a run at full length.
//
// The cases without a capture are controls: how far their share is from 1 is how far to trust the others.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/live/live_run.h"

namespace bench {

struct LiveOptions {
  std::string xdpcap;
  int rounds = 0;
  std::uint64_t packets = 0;       ///< of 64 bytes; of 1500 bytes half as many
  std::uint64_t full_packets = 0;  ///< at most: as many as memory is there for
};

struct LiveResults {
  std::vector<LiveRun> runs = {};          ///< of the rounds
  std::vector<LiveRun> full = {};          ///< at full length
  std::vector<std::string> failures = {};  ///< what could not be measured, and why
};

/// Called before each round with its number, from 1; 0: the run at full length.
using LiveProgress = std::function<void(int)>;

/// Moves the calling thread onto one CPU, the last: that of generator and target.  Readers run on the others.
/// Errors: those of the stage; what fails later is among the failures.
cbpfc::Result<LiveResults> measure_live(const LiveOptions& options, const LiveProgress& progress);

}  // namespace bench

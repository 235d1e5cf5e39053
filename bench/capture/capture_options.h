// SPDX-License-Identifier: BSD-3-Clause
//
// The command line of capture_bench.

#pragma once

#include <cbpfc/result.h>

#include <cstdint>
#include <string>

namespace bench {

struct CaptureOptions {
  int rounds = 0;                  ///< of the live cases
  std::uint64_t packets = 0;       ///< of 64 bytes in a live sample
  std::uint64_t full_packets = 0;  ///< of 64 bytes in the run at full length
  bool with_costs = true;
  bool with_live = true;
  std::uint64_t soak_seconds = 0;  ///< 0: no soak; else nothing but that
  std::string xdpcap;              ///< command
  std::string csv;                 ///< file
  std::string picture;             ///< file
  bool help = false;

  int cost_rounds() const { return 10 * rounds + 1; }
};

/// Errors: Errc::InvalidArgument.
cbpfc::Result<CaptureOptions> parse_capture_options(int argc, char** argv);

std::string capture_help();

}  // namespace bench

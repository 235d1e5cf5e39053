// SPDX-License-Identifier: BSD-3-Clause
//
// How long a capture command takes to begin and to end.
//
// The benchmark loads a target, and pins its hook in a BPF file system that only it sees; a packet runs through it every 0.1 ms. A
// command is started, and four moments are noted: exec, the hook's slot filled, the first packet in the output, and,
// after SIGINT, the end. All commands are measured in turn in each round, forwards and backwards alternately, because the
// machine's speed changes.

#pragma once

#include <cbpfc/result.h>

#include <string>
#include <vector>

namespace bench {

/// Stand for the hook's pin and the output file in a command.
inline constexpr const char* kHookWord = "@hook";
inline constexpr const char* kOutputWord = "@output";

/// Of one start and end.  Units: milliseconds.
struct StartTimes {
  double slot = 0;    ///< exec to the slot filled: from here on packets are captured
  double output = 0;  ///< exec to the first packet in the output
  double end = 0;     ///< SIGINT to the end of the process
};

struct StartSeries {
  std::string command;  ///< words, separated by spaces
  std::vector<StartTimes> rounds = {};
};

/// Measures the commands.
/// Errors: Errc::Permission, Errc::Kernel; also when a command captures nothing or fails, with what it printed.
cbpfc::Result<std::vector<StartSeries>> measure_starts(const std::vector<std::string>& commands,
                                                       int rounds);

}  // namespace bench

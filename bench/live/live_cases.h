// SPDX-License-Identifier: BSD-3-Clause
//
// What is measured live: a table of captures.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/live/perf_reference.h"
#include "xdpcap/kernel/action.h"

namespace bench {

enum class ReaderKind : std::uint8_t {
  None,        ///< hook empty
  Xdpcap,      ///< the built command
  PerfBuffer,  ///< the original's mechanism, perf_reader.h
  Tcpdump,     ///< beside the target, on its interface
};

/// How many of the packets a case matches, all of which are alike.
enum class Matches : std::uint8_t { Nothing, Everything };

struct LiveCase {
  std::string name;
  xdpcap::Action action = xdpcap::Action::Drop;  ///< what the target does
  ReaderKind reader = ReaderKind::None;
  std::vector<std::string> options = {};  ///< of the command
  std::string filter = {};
  Matches matches = Matches::Everything;
  bool writes_file = true;
  bool discards = false;         ///< writes to /dev/null, which no file system makes slow
  std::uint64_t ring_bytes = 0;  ///< of all CPUs together
  PerfSize perf = {};

  bool is_baseline() const { return reader == ReaderKind::None; }
};

namespace case_name {
inline constexpr const char* kNoCapture = "no capture";
inline constexpr const char* kNotMatching = "not matching: ip and udp port 53";
inline constexpr const char* kCount = "-count";
inline constexpr const char* kSample = "-sample 100";
inline constexpr const char* kRate = "-rate 10000";
inline constexpr const char* kEverything = "everything, 64 MiB";
inline constexpr const char* kDiscarded = "everything, 64 MiB, to /dev/null";
inline constexpr const char* kPerfDefaults = "perf reference, defaults";
inline constexpr const char* kPerfTuned = "perf reference, tuned";
inline constexpr const char* kTcpdump = "tcpdump";
inline constexpr const char* kTcpdumpTuned = "tcpdump -B 65536";
}  // namespace case_name

/// All of them; the baseline of each action comes before the others of it.
std::vector<LiveCase> live_cases();

}  // namespace bench

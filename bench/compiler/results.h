// SPDX-License-Identifier: BSD-3-Clause
//
// What was found out: the rows of every report.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/programs/contender.h"
#include "bench/programs/packets.h"
#include "bench/support/statistics.h"

namespace bench {

/// One contender on one filter.
struct Score {
  std::string failure = {};  ///< why there is none of the rest; empty if there is
  std::size_t emitted_insns = 0;
  PerPacket<std::uint64_t> executed_insns = {};
  PerPacket<std::optional<Summary>> filter_ns = {};  ///< none without timing
};

struct FilterRow {
  std::string expression;
  std::string group = {};  ///< "ports", "addresses", ...
  std::size_t classic_insns = 0;
  int copies = 0;         ///< of the filter in the program that was timed
  double compile_us = 0;  ///< processor time, optimised; the least of some
  PerContender<Score> scores = {};
};

/// One contender on a list with keys that vary.
struct ListScore {
  std::string failure;
  std::size_t emitted_insns = 0;
  double executed_insns = 0;                        ///< mean over keys
  std::optional<Summary> filter_ns = std::nullopt;  ///< none without timing
};

struct ListRow {
  std::string name;  ///< "256 hosts, raw"
  std::string kind;  ///< "hosts"
  int terms = 0;
  std::size_t classic_insns = 0;
  PerContender<ListScore> scores = {};
};

/// How long it takes until a large filter runs.
struct BuildTime {
  std::string what;
  std::string failure = {};  ///< why there is none of the rest; empty if there is
  double front_end_ms = 0;   ///< libpcap
  double compile_ms = 0;     ///< cbpfc
  std::optional<double> load_ms = std::nullopt;  ///< the kernel; none without timing
  std::size_t emitted_insns = 0;

  double total_ms() const { return front_end_ms + compile_ms + load_ms.value_or(0); }
};

struct Results {
  std::string clang;  ///< its description; empty without
  int rounds = 0;     ///< 0: only counted
  std::vector<FilterRow> filters = {};
  std::vector<ListRow> lists = {};
  std::vector<BuildTime> build_times = {};
};

}  // namespace bench

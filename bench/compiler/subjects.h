// SPDX-License-Identifier: BSD-3-Clause
//
// Filters with all that is needed to measure them: packets, and every contender's programs.  Made and
// counted without the kernel.

#pragma once

#include <cbpfc/result.h>

#include <string>
#include <vector>

#include "bench/compiler/results.h"
#include "bench/programs/clang.h"
#include "bench/programs/lists.h"

namespace bench {

/// Builds programs by any contender.
class Builder {
 public:
  /// `clang` may be null: then that contender has no programs.  It must outlive the builder.
  explicit Builder(const Clang* clang) : clang_(clang) {}

  cbpfc::Result<Programs> build(Contender contender, const cbpfc::Filter& filter,
                                const ProgramsWanted& wanted) const;

 private:
  const Clang* clang_;
};

struct SubjectOptions {
  bool libpcap_optimiser = true;  ///< for filters; lists say it themselves
  bool for_timing = true;         ///< false: only what is needed for counting
};

struct FilterSubject {
  FilterRow row;
  PerPacket<Packet> packets;
  PerContender<Programs> programs = {};  ///< empty where row.scores has a failure
};

/// Errors: what makes the filter impossible to measure at all; one contender's failure is a score.
cbpfc::Result<FilterSubject> make_filter_subject(const std::string& expression,
                                                 const Builder& builder,
                                                 const SubjectOptions& options);

struct ListSubject {
  ListRow row;
  List list;
  cbpfc::Filter filter;
  double front_end_ms = 0;     ///< what libpcap took
  std::vector<bool> matching;  ///< by key
  PerContender<Programs> programs = {};
};

/// Errors: as above.
cbpfc::Result<ListSubject> make_list_subject(const List& list, const Builder& builder,
                                             const SubjectOptions& options);

}  // namespace bench

// SPDX-License-Identifier: BSD-3-Clause
//
// Tables for the tests of single passes.

#pragma once

#include <functional>

#include "unit/cbpfc/optimizer/optimizer_support.h"

namespace cbpfc::optimizer {

/// Builds a graph, runs one pass, compares the dumps before and after.
struct Row {
  const char* what;
  std::function<NodeId(Ground&)> build;
  void (*pass)(Ground&);
  const char* before;
  const char* after;  ///< nullptr: as before
};

inline void expect_passes(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    Ground g;
    EXPECT_EQ(g.dump_from(row.build(g)), row.before) << row.what;
    row.pass(g);
    EXPECT_EQ(check_graph(g.graph), "") << row.what;
    EXPECT_EQ(dump(g.graph), row.after != nullptr ? row.after : row.before) << row.what;
  }
}

}  // namespace cbpfc::optimizer

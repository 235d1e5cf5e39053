// SPDX-License-Identifier: BSD-3-Clause
//
// Decision graphs from text: what dump() prints, read back, and graphs written by hand for tests.
//
//     0: has p[..14]  yes -> 1  no -> 3
//     1: p16[12]  0x800 -> 2  0x86dd..0x86ff -> 2  else -> 3
//     2: return 0x1
//     3: return 0x0
//
// The first node is the entry; nodes may be in any order and have any numbers.  Values are taken as they are
// written, not simplified.

#pragma once

#include <cbpfc/result.h>

#include <string_view>

#include "cbpfc/graph/graph.h"

namespace cbpfc::optimizer {

/// Errors: Errc::Syntax for what cannot be read; Errc::InvalidArgument for what check_graph() rejects.
Result<Graph> read_graph(std::string_view text);

/// Whether two graphs are the same but for the numbers of nodes and values, dead nodes and dead values.
bool are_equal(const Graph& left, const Graph& right);

}  // namespace cbpfc::optimizer

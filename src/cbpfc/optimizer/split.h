// SPDX-License-Identifier: BSD-3-Clause
//
// A second graph for packets that have all a filter ever looks at.
//
//     n0: has p[..38] ...                n0: has p[..54]  yes -> copy of the graph without guards
//     ... many guards in between     =>                   no  -> the graph as it is
//
// Where guards stand between the alternatives of a list, as between the source and destination addresses of
// IPv6 hosts, nothing can be gathered: a short packet may match by what it has.  Packets on a wire are not that
// short; with one guard up front nearly all take the copy, in which everything gathers.  The graph as it is
// stays for the others, so this is worth its instructions only where the way through the copy is much shorter.
//
// Tested by: tests/golden/passes/split.txt.

#pragma once

#include <optional>

#include "graph.h"
#include "question.h"

namespace cbpfc::optimizer {

/// `graph` behind one guard for the furthest byte it looks at from the packet's start, with a copy for packets
/// that have it; nullopt where fewer than three guards would be saved.
std::optional<Graph> split_short_packets(const Graph& graph, const PacketRules& rules);

/// Questions on the longest way through a graph for packets that are long enough.
std::uint32_t longest_way_of_long_packets(const Graph& graph);

}  // namespace cbpfc::optimizer

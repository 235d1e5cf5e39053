// SPDX-License-Identifier: BSD-3-Clause
//
// The optimiser's passes over a decision graph, and the list they run in (optimize.cc).
//
// Every pass keeps the graph's meaning exactly: the same number for every packet of every length.

#pragma once

#include <cstdint>
#include <optional>

#include "cbpfc/graph/graph.h"
#include "cbpfc/graph/question.h"

namespace cbpfc::optimizer {

/// Leads each edge past questions whose answer is known on the way, and drops arms that cannot be taken.
void thread_edges(Graph& graph, const PacketRules& rules);

/// Makes equal nodes one, from the returns up; drops questions whose arms are the same.
void merge_equal(Graph& graph);

/// Makes a guard as wide as every path from it that does not end where its failure leads needs.
///
/// Requires: merge_equal, so that equal failures are one node.
void widen_guards(Graph& graph);

/// Gathers the comparisons of one value in a chain of alternatives into one Switch.
void gather_switches(Graph& graph);

/// Compares masked values as masked values where a whole Switch has one mask, and only the bytes that count
/// where the mask is of whole bytes.
void choose_masks(Graph& graph);

/// Compares neighbouring fields with one load.
void widen_compares(Graph& graph);

/// Makes one list of those that compare different values with the same cases.
///
/// Requires: to be the last, the others see no further than a cell.
void share_lists(Graph& graph);

/// `graph` behind one guard for the furthest byte it looks at from the packet's start, with a copy for packets
/// that have it; nullopt where fewer than three guards would be saved.
std::optional<Graph> split_short_packets(const Graph& graph, const PacketRules& rules);

/// Questions on the longest way through a graph for packets that are long enough.
std::uint32_t longest_way_of_long_packets(const Graph& graph);

}  // namespace cbpfc::optimizer

// SPDX-License-Identifier: BSD-3-Clause
//
// The phases and their passes, in the order they run.

#include "optimize.h"

#include <cassert>

#include "emit_graph.h"
#include "graph_passes.h"
#include "lift.h"
#include "split.h"

namespace cbpfc::optimizer {
namespace {

using Pass = void (*)(Graph&, const PacketRules&);

void merge(Graph& graph, const PacketRules&) {
  merge_equal(graph);
}
void widen(Graph& graph, const PacketRules&) {
  widen_guards(graph);
}
void gather(Graph& graph, const PacketRules&) {
  gather_switches(graph);
}
void mask(Graph& graph, const PacketRules&) {
  choose_masks(graph);
}
void join(Graph& graph, const PacketRules& rules) {
  if (rules.has_wide_loads) {
    widen_compares(graph);
  }
}

constexpr Pass kSettle[] = {thread_edges, merge};
constexpr Pass kWidenGuards[] = {widen, thread_edges};
constexpr Pass kVersionGuards[] = {version_guards, thread_edges, merge};
constexpr Pass kLists[] = {gather, thread_edges, merge, gather};
constexpr Pass kFinalForm[] = {mask, join};

struct Phase {
  PhaseDescription description;
  std::span<const Pass> passes;
};

constexpr Phase kPhases[] = {
    {{"settle", "asks nothing that was answered on the way; makes equal questions one"}, kSettle},
    {{"widen-guards", "makes one guard of several that fail to the same place"}, kWidenGuards},
    // Lists are free of guards after it.
    {{"version-guards", "one guard for several, with a copy for packets that end in between"},
     kVersionGuards},
    {{"lists", "gathers the comparisons of one value in a list"}, kLists},
    // From here on values have the form they are compared in.
    {{"final-form", "compares networks by masking once, and neighbouring fields at once"},
     kFinalForm},
};

void run(std::span<const Pass> passes, Graph& graph, const PacketRules& rules) {
  for (const Pass pass : passes) {
    pass(graph, rules);
    assert(check_graph(graph).empty());
  }
}

}  // namespace

std::vector<PhaseDescription> phases() {
  std::vector<PhaseDescription> all;
  for (const Phase& phase : kPhases) {
    all.push_back(phase.description);
  }
  return all;
}

void run_phases(Graph& graph, const PacketRules& rules,
                const std::function<void(const PhaseDescription&)>& watch) {
  assert(check_graph(graph).empty());
  for (const Phase& phase : kPhases) {
    run(phase.passes, graph, rules);
    if (watch) {
      watch(phase.description);
    }
  }
}

namespace {

/// The graph with a copy for long packets, optimised; nullopt where there is nothing to gain.
std::optional<Graph> split_graph(const Graph& lifted, const PacketRules& rules) {
  Graph graph = lifted;
  run(kSettle, graph, rules);
  run(kWidenGuards, graph, rules);  // after it only guards that are needed are left
  auto split = split_short_packets(graph, rules);
  if (split) {
    run_phases(*split, rules);
  }
  return split;
}

/// Whether a much shorter way for long packets is worth the instructions for short ones.
bool is_worth_it(const Graph& whole, const ebpf::Assembly& code, const Graph& split,
                 const ebpf::Assembly& split_code) {
  return 2 * longest_way_of_long_packets(split) <= longest_way_of_long_packets(whole) &&
         2 * split_code.size() <= 3 * code.size();
}

}  // namespace

Result<ebpf::Assembly> compile_graph(std::span<const Cfg> cfgs, bool is_set,
                                     const EbpfOptions& options) {
  const PacketRules rules = rules_for(options);
  Graph graph = is_set ? lift_set(cfgs, rules) : lift_filter(cfgs.front(), rules);
  if (!options.optimize) {
    return emit_graph(graph, options);
  }
  // Not for sets: they are large, and what does not match one filter goes on to the next.
  const std::optional<Graph> split = is_set ? std::nullopt : split_graph(graph, rules);
  run_phases(graph, rules);
  ebpf::Assembly code = TRY(emit_graph(graph, options));
  if (split) {
    ebpf::Assembly split_code = TRY(emit_graph(*split, options));
    if (is_worth_it(graph, code, *split, split_code)) {
      return split_code;
    }
  }
  return code;
}

}  // namespace cbpfc::optimizer

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
void share(Graph& graph, const PacketRules&) {
  share_lists(graph);
}

constexpr Pass kSettle[] = {thread_edges, merge};
constexpr Pass kWidenGuards[] = {widen, thread_edges};
constexpr Pass kVersionGuards[] = {version_guards, thread_edges, merge};
constexpr Pass kLists[] = {gather, thread_edges, merge, gather};
constexpr Pass kFinalForm[] = {mask, join, share};

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
    {{"final-form",
      "compares networks by masking once, neighbouring fields at once, and shares lists"},
     kFinalForm},
};

/// Those after which only guards that are needed are left.
constexpr std::size_t kPhasesBeforeSplit = 2;

void run(std::span<const Phase> phases, Graph& graph, const PacketRules& rules,
         const std::function<void(const PhaseDescription&)>& watch = nullptr) {
  for (const Phase& phase : phases) {
    for (const Pass pass : phase.passes) {
      pass(graph, rules);
      assert(check_graph(graph).empty());
    }
    if (watch) {
      watch(phase.description);
    }
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
  run(kPhases, graph, rules, watch);
}

namespace {

/// Questions that a way for long packets must have to be worth a copy of the graph.
constexpr std::uint32_t kLeastWay = 16;

}  // namespace

Result<ebpf::Assembly> compile_graph(std::span<const Cfg> cfgs, bool is_set,
                                     const EbpfOptions& options) {
  const PacketRules rules = rules_for(options);
  Graph graph = is_set ? lift_set(cfgs, rules) : lift_filter(cfgs.front(), rules);
  if (!options.optimize) {
    return emit_graph(graph, options);
  }
  remove_dead_nodes(graph);
  const auto phases = std::span(kPhases);
  run(phases.first(kPhasesBeforeSplit), graph, rules);
  // Not for sets: they are large, and what does not match one filter goes on to the next.
  auto split = is_set ? std::nullopt : split_short_packets(graph, rules);
  run(phases.subspan(kPhasesBeforeSplit), graph, rules);
  ebpf::Assembly code = TRY(emit_graph(graph, options));
  const std::uint32_t way = longest_way_of_long_packets(graph);
  if (!split || way < kLeastWay) {
    return code;
  }
  run(phases, *split, rules);
  if (2 * longest_way_of_long_packets(*split) > way) {
    return code;
  }
  auto split_code = emit_graph(*split, options);
  return split_code && 2 * split_code->size() <= 3 * code.size() ? std::move(split_code) : code;
}

}  // namespace cbpfc::optimizer

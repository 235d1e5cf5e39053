// SPDX-License-Identifier: BSD-3-Clause
//
// The phases and their passes, in the order they run; and for <cbpfc/inspect.h>, a filter's graph after each.
// Tested by: inspect_test.cc.

#include "cbpfc/compile/optimize.h"

#include <cassert>

#include "cbpfc/graph/ebpf_options.h"
#include "cbpfc/graph/lift.h"
#include "cbpfc/passes/graph_passes.h"

namespace cbpfc::optimizer {
namespace {

using Pass = void (*)(Graph&, const PacketRules&);

constexpr Pass kMerge = [](Graph& graph, const PacketRules&) { merge_equal(graph); };
constexpr Pass kWiden = [](Graph& graph, const PacketRules&) { widen_guards(graph); };
constexpr Pass kGather = [](Graph& graph, const PacketRules&) { gather_switches(graph); };
constexpr Pass kMask = [](Graph& graph, const PacketRules&) { choose_masks(graph); };
constexpr Pass kJoin = [](Graph& graph, const PacketRules& rules) {
  if (rules.has_wide_loads) {
    widen_compares(graph);
  }
};
constexpr Pass kShare = [](Graph& graph, const PacketRules&) { share_lists(graph); };

constexpr Pass kSettle[] = {thread_edges, kMerge};
constexpr Pass kWidenGuards[] = {kWiden, thread_edges, kMerge};
constexpr Pass kLists[] = {kGather, thread_edges, kMerge, kGather};
constexpr Pass kFinalForm[] = {kMask, kJoin, kShare};

struct Phase {
  PhaseDescription description;
  std::span<const Pass> passes;
};

constexpr Phase kPhases[] = {
    {{"settle", "asks nothing that was answered on the way; makes equal questions one"}, kSettle},
    {{"widen-guards", "makes one guard of several that fail to the same place"}, kWidenGuards},
    {{"lists", "gathers the comparisons of one value in a list"}, kLists},
    // From here on values have the form they are compared in.
    {{"final-form",
      "compares networks by masking once, neighbouring fields at once, and shares lists"},
     kFinalForm},
};

/// Those after which only guards that are needed are left.
constexpr std::size_t kPhasesBeforeSplit = 2;
/// Questions that a way for long packets must have to be worth a copy of the graph.
constexpr std::uint32_t kLeastWay = 16;

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

void run_phases(Graph& graph, const PacketRules& rules,
                const std::function<void(const PhaseDescription&)>& watch) {
  assert(check_graph(graph).empty());
  run(kPhases, graph, rules, watch);
}

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

namespace cbpfc {

std::vector<PhaseDescription> optimizer_phases() {
  std::vector<PhaseDescription> all;
  for (const optimizer::Phase& phase : optimizer::kPhases) {
    all.push_back(phase.description);
  }
  return all;
}

Result<std::vector<GraphView>> inspect_phases(const Filter& filter, const EbpfOptions& options) {
  TRY(check_options(options));
  const optimizer::PacketRules rules = optimizer::rules_for(options);
  const Cfg cfg = TRY(
      build_cfg(filter, rules.max_packet_offset, options.ancillary).with_context("inspect filter"));
  optimizer::Graph graph = optimizer::lift_filter(cfg, rules);
  std::vector<GraphView> views;
  const auto view = [&](std::string_view phase) {
    auto code = optimizer::emit_graph(graph, options);
    const optimizer::Questions questions = optimizer::count_questions(graph);
    views.push_back({.phase = std::string(phase),
                     .text = optimizer::dump(graph),
                     .dot = optimizer::dump_dot(graph),
                     .decisions = questions.decisions,
                     .guards = questions.guards,
                     .code = code ? std::optional(*std::move(code)) : std::nullopt});
  };
  view(kLiftedPhase);
  optimizer::run_phases(graph, rules, [&](const PhaseDescription& phase) { view(phase.name); });
  return views;
}

}  // namespace cbpfc

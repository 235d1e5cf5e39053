// SPDX-License-Identifier: BSD-3-Clause
//
// The list of passes.

#include "optimize.h"

#include <array>
#include <cassert>

#include "../packet_reader.h"
#include "emit_graph.h"
#include "graph_passes.h"
#include "lift.h"
#include "split.h"

namespace cbpfc::optimizer {
namespace {

constexpr std::array<Pass, 13> kPasses = {{
    // What has been asked is not asked again; what is the same is one.
    {{"thread", "leads edges past questions that were answered on the way"}, thread_edges},
    {{"merge", "makes equal questions one"}, [](Graph& g, const PacketRules&) { merge_equal(g); }},

    // Guards last, as wide as the ways behind them allow, then versioned: lists are free of guards after it.
    {{"widen-guards", "makes one guard of several that fail to the same place"},
     [](Graph& g, const PacketRules&) { widen_guards(g); }},
    {{"thread-2", "as thread"}, thread_edges},
    {{"version-guards", "one guard for several, with a copy for packets that end in between"},
     version_guards},
    {{"thread-3", "as thread"}, thread_edges},
    {{"merge-2", "as merge"}, [](Graph& g, const PacketRules&) { merge_equal(g); }},

    // Lists.
    {{"gather-switches", "gathers the comparisons of one value in a list"},
     [](Graph& g, const PacketRules&) { gather_switches(g); }},
    {{"thread-4", "as thread"}, thread_edges},
    {{"merge-3", "as merge"}, [](Graph& g, const PacketRules&) { merge_equal(g); }},
    {{"gather-switches-2", "as gather-switches"},
     [](Graph& g, const PacketRules&) { gather_switches(g); }},

    // From here on values have the form they are compared in.
    {{"choose-masks", "compares networks by masking once, or by their leading bytes"},
     [](Graph& g, const PacketRules&) { choose_masks(g); }},
    {{"widen-compares", "compares neighbouring fields at once"},
     [](Graph& g, const PacketRules&) { widen_compares(g); }},
}};

/// Those after which only guards that are needed are left.
constexpr std::size_t kPassesBeforeSplit = 4;

}  // namespace

std::span<const Pass> passes() {
  return kPasses;
}

PacketRules rules_for(const EbpfOptions& options) {
  return {.max_packet_offset = max_packet_offset(options),
          .length_is_bytes = !options.packet_length};
}

void run_graph_passes(Graph& graph, const PacketRules& rules,
                      const std::function<void(const Pass&)>& watch) {
  assert(check_graph(graph).empty());
  for (const Pass& pass : kPasses) {
    pass.run(graph, rules);
    assert(check_graph(graph).empty());
    if (watch) {
      watch(pass);
    }
  }
}

namespace {

/// The graph with a copy for long packets, optimised; nullopt where there is nothing to gain.
std::optional<Graph> split_graph(const Graph& lifted, const PacketRules& rules) {
  Graph graph = lifted;
  for (const Pass& pass : std::span(kPasses).first(kPassesBeforeSplit)) {
    pass.run(graph, rules);
  }
  auto split = split_short_packets(graph, rules);
  if (split) {
    run_graph_passes(*split, rules);
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

std::optional<ebpf::Assembly> compile_optimized(std::span<const Cfg> cfgs, bool is_set,
                                                const EbpfOptions& options) {
  if (options.access != PacketAccess::Direct) {
    return std::nullopt;
  }
  const PacketRules rules = rules_for(options);
  auto graph = is_set ? lift_set(cfgs, rules) : lift_filter(cfgs.front(), rules);
  if (!graph) {
    return std::nullopt;
  }
  // Not for sets: they are large, and what does not match one filter goes on to the next.
  const std::optional<Graph> split = is_set ? std::nullopt : split_graph(*graph, rules);
  run_graph_passes(*graph, rules);
  auto code = emit_graph(*graph, options, rules.max_packet_offset);
  if (split) {
    auto split_code = emit_graph(*split, options, rules.max_packet_offset);
    if (code && split_code && is_worth_it(*graph, *code, *split, *split_code)) {
      return split_code;
    }
  }
  return code;
}

}  // namespace cbpfc::optimizer

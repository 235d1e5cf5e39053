// SPDX-License-Identifier: BSD-3-Clause
//
// The optimiser from outside: its phases by name, and a filter's graph after each.
// Tested by: inspect_test.cc.

#include <cbpfc/inspect.h>

#include "../cfg.h"
#include "../ebpf_options.h"
#include "emit_graph.h"
#include "lift.h"
#include "optimize.h"

namespace cbpfc {

std::vector<PhaseDescription> optimizer_phases() {
  return optimizer::phases();
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

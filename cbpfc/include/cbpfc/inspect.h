// SPDX-License-Identifier: BSD-3-Clause
//
// What the optimiser does, to look at: its phases, the graph after each of them, and the graph as a
// drawing for Graphviz.

#pragma once

#include <cbpfc/cbpf.h>
#include <cbpfc/compile.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cbpfc {

struct PhaseDescription {
  std::string_view name;
  std::string_view summary;  ///< one line
};

/// The optimiser's phases, each of one pass or several, in the order they run.
std::vector<PhaseDescription> optimizer_phases();

/// The name under which inspect_phases() gives the graph before any phase.
inline constexpr std::string_view kLiftedPhase = "lift";

/// A graph at one point of the compilation.
struct GraphView {
  std::string phase;          ///< the phase it was taken after
  std::string text;           ///< one decision a line
  std::string dot;            ///< for Graphviz
  std::size_t decisions = 0;  ///< comparisons with a constant or a register, guards not counted
  std::size_t guards = 0;     ///< comparisons with the packet's end
  /// The fragment it becomes as it is, as of compile_ebpf(); none where registers do not suffice.
  std::optional<ebpf::Assembly> code = std::nullopt;
};

/// The graph as it is lifted from the program (kLiftedPhase) and after every phase.
///
/// Errors: those of compile_ebpf().
Result<std::vector<GraphView>> inspect_phases(const Filter& filter,
                                              const EbpfOptions& options = {});

}  // namespace cbpfc

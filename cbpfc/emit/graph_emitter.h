// SPDX-License-Identifier: BSD-3-Clause
//
// The emitter behind emit_graph(): emit_graph.cc has nodes and layout, switch_code.cc comparisons with many
// constants, forget.cc what the verifier must not know.

#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cbpfc/emit/value_code.h"

namespace cbpfc::optimizer {

/// The values that so many questions ask for that the verifier must forget what it learns of them.
std::vector<bool> values_asked_often(const Graph& graph, const std::vector<NodeId>& order);

class GraphEmitter {
 public:
  GraphEmitter(const Graph& graph, const EbpfOptions& options, std::vector<NodeId> order,
               const Uses& uses, const ByteOrder& byte_order, CellSlots slots);

  /// To call once.
  Result<ebpf::Assembly> run();

 private:
  /// Code before a node, for the ways that come with registers to load again (forget.cc).
  struct Pad {
    std::string label;
    MachineState state;  ///< of all ways to it; pinned down: on any of them
  };

  /// Whether the verifier's limits count.  Of a comparison for any bit, which cannot be turned, it keeps one way for later,
  /// and of those 8,192 (ebpf_pending.cc).  Where ways meet, it goes on once for each that knows less than those before:
  /// so the way past a question, on which it learns least, should be the first it walks.
  bool is_large() const { return order_.size() > 8'000; }
  bool is_end(NodeId id) const { return graph_.returned_constant(id).has_value(); }
  std::string label(NodeId id) const;
  std::string local_label();
  void place_ends();
  void emit_ends();
  void emit_return(const Return& node);
  void flow(NodeId target, const MachineState& state);
  /// flow(), and the label to jump to.
  std::string way_to(NodeId target, const MachineState& state);
  void jump_if(ebpf::Cmp condition, ebpf::Reg reg, std::uint32_t k, NodeId target);
  void go_to(NodeId target);

  void emit(const Switch& node);
  void emit(const AnyBit& node);
  void emit(const Compare& node);
  void emit(const Fits& node);
  void emit(const SetPhi& node);
  void emit(const Call& node);
  void emit(const Return& node) { emit_return(node); }
  void emit(const Forward&) {}

  // switch_code.cc
  struct Bounds {
    std::uint32_t low;
    std::uint32_t high;
  };
  void emit_cases(ebpf::Reg reg, std::span<const Case> cases, Bounds bounds, NodeId otherwise,
                  bool is_last);
  void emit_hashed_cases(ebpf::Reg reg, std::span<const Case> cases, NodeId otherwise);
  void emit_single_cases(ebpf::Reg reg, std::span<const Case> cases, NodeId otherwise,
                         bool is_last);
  void emit_interval_cases(ebpf::Reg reg, std::span<const Case> cases, Bounds bounds,
                           NodeId otherwise, bool is_last);
  void go_from_leaf(NodeId target, bool is_last);

  // forget.cc
  void pin_down(ebpf::Reg reg, MachineState& state) const;
  bool must_forget(NodeId target, const MachineState& state) const;
  std::string flow_to_pad(NodeId target, const MachineState& state);
  void emit_pad(NodeId target);

  const Graph& graph_;
  const EbpfOptions& options_;
  std::vector<NodeId> order_;
  const ByteOrder& byte_order_;
  std::vector<std::uint32_t> ways_;
  std::vector<std::uint32_t> predecessors_;
  std::vector<std::size_t> positions_;  ///< in `order_`, by node
  std::vector<bool> is_asked_often_;    ///< by value
  std::vector<std::optional<Pad>> pads_;
  ValueCode values_;
  std::vector<std::optional<MachineState>> entry_states_;
  std::vector<NodeId> ends_;  ///< the returns of constants
  std::optional<NodeId> first_end_;
  std::optional<NodeId> next_;  ///< the node that is emitted next
  std::size_t local_labels_ = 0;
};

}  // namespace cbpfc::optimizer

// SPDX-License-Identifier: BSD-3-Clause
//
// The emitter behind emit_graph(): emit_graph.cc has nodes and layout, switch_code.cc comparisons with many
// constants.

#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "value_code.h"

namespace cbpfc::optimizer {

class GraphEmitter {
 public:
  GraphEmitter(const Graph& graph, const EbpfOptions& options, std::vector<NodeId> order,
               const Uses& uses, const ByteOrder& byte_order, std::vector<std::uint8_t> phi_slots,
               std::uint32_t max_packet_offset);

  std::optional<ebpf::Assembly> run();

 private:
  bool is_end(NodeId id) const { return graph_.returned_constant(id).has_value(); }
  std::string label(NodeId id) const;
  std::string local_label();
  void place_ends();
  void emit_ends();
  void emit_return(const Return& node);
  void flow(NodeId target, const MachineState& state);
  void jump_if(ebpf::Cmp condition, ebpf::Reg reg, std::uint32_t k, NodeId target);
  void go_to(NodeId target);

  void emit(const Switch& node);
  void emit(const AnyBit& node);
  void emit(const Compare& node);
  void emit(const Fits& node);
  void emit(const WideEqual& node);
  void emit(const SetPhi& node);
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

  const Graph& graph_;
  const EbpfOptions& options_;
  std::vector<NodeId> order_;
  const ByteOrder& byte_order_;
  std::vector<std::uint32_t> ways_;
  ValueCode values_;
  std::vector<std::optional<MachineState>> entry_states_;
  std::vector<NodeId> ends_;  ///< the returns of constants
  std::optional<NodeId> first_end_;
  std::optional<NodeId> next_;  ///< the node that is emitted next
  std::size_t local_labels_ = 0;
};

}  // namespace cbpfc::optimizer

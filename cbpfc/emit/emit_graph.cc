// SPDX-License-Identifier: BSD-3-Clause
//
// Decision graph to eBPF.
//
// Nodes are emitted in topological order, the arm with more ahead of it right behind its question, returns
// last.  Each node brings its values into registers (value_code.h), asks, and jumps; what lies in which
// register is remembered for each target and is what all jumps to it agree on.
//
//     n0: has p[..14]  no -> n3            r4 = r2; r4 += 14; if r4 > r3 goto n3
//     n1: p16[12]  0x800 -> n2 else n3     r4 = *(u16 *)(r2 + 12); if w4 != 0x8 goto n3
//     n2: return 0x40000                   w4 = 0x40000; goto result
//     n3: return 0                         n3: w4 = 0; goto result
//
// With match_label and no_match_label, jumps to a return go there at once.
//
// Tested by: emit_graph_test.cc, and by every engine in verify/differential.

#include "cbpfc/emit/emit_graph.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "cbpfc/emit/graph_emitter.h"
#include "cbpfc/graph/ebpf_options.h"

namespace cbpfc::optimizer {
namespace {

using ebpf::Reg;

ebpf::Cmp compare(Condition condition) {
  switch (condition) {
    case Condition::Equal: return ebpf::Cmp::Equal;
    case Condition::Greater: return ebpf::Cmp::Greater;
    case Condition::GreaterEqual: return ebpf::Cmp::GreaterEqual;
    case Condition::AnyBitSet: return ebpf::Cmp::Any;
  }
  std::unreachable();
}

/// The comparison that holds exactly when `condition` does not; AnyBitSet has none.
ebpf::Cmp inverse(Condition condition) {
  switch (condition) {
    case Condition::Equal: return ebpf::Cmp::NotEqual;
    case Condition::Greater: return ebpf::Cmp::LessEqual;
    case Condition::GreaterEqual: return ebpf::Cmp::Less;
    case Condition::AnyBitSet: break;
  }
  std::unreachable();
}

/// Checks that the stack below the caller's has room for cells.
Result<void> check_room(std::uint32_t slots, const EbpfOptions& options) {
  const std::uint32_t room_bytes = kStackBytes - cells_offset_bytes(options);
  if (4 * slots <= room_bytes) {
    return {};
  }
  return invalid_option(
      "stack_offset_bytes",
      fmt::format("{} leaves no room for the {} bytes that this filter keeps on the stack",
                  options.stack_offset_bytes, 4 * slots));
}

}  // namespace

GraphEmitter::GraphEmitter(const Graph& graph, const EbpfOptions& options,
                           std::vector<NodeId> order, const Uses& uses, const ByteOrder& byte_order,
                           CellSlots slots)
    : graph_(graph),
      options_(options),
      order_(std::move(order)),
      byte_order_(byte_order),
      ways_(longest_ways(graph, order_)),
      predecessors_(count_predecessors(graph, order_)),
      positions_(graph.nodes.size()),
      is_asked_often_(values_asked_often(graph, order_)),
      pads_(graph.nodes.size()),
      values_(graph, options, uses, byte_order, std::move(slots)),
      entry_states_(graph.nodes.size()) {
  for (std::size_t i = 0; i < order_.size(); ++i) {
    positions_[order_[i]] = i;
  }
  values_.never_label =
      options.no_match_label.empty() ? options.label_prefix + "_never" : options.no_match_label;
}

std::string GraphEmitter::label(NodeId id) const {
  if (const auto k = graph_.returned_constant(id); k && !options_.match_label.empty()) {
    return *k != 0 ? options_.match_label : options_.no_match_label;
  }
  return fmt::format("{}_{}", options_.label_prefix, id);
}

std::string GraphEmitter::local_label() {
  return fmt::format("{}_c{}", options_.label_prefix, local_labels_++);
}

Result<ebpf::Assembly> GraphEmitter::run() {
  entry_states_[graph_.entry] = MachineState{};
  place_ends();
  if (is_end(graph_.entry)) {
    values_.code.jump(label(graph_.entry));
  }
  for (std::size_t i = 0; i < order_.size() && !values_.gave_up(); ++i) {
    const NodeId id = order_[i];
    if (is_end(id)) {
      continue;
    }
    std::size_t after = i + 1;
    while (after < order_.size() && is_end(order_[after])) {
      ++after;
    }
    next_ = after < order_.size() ? std::optional(order_[after]) : first_end_;
    values_.position = i;
    if (pads_[id]) {
      emit_pad(id);
    }
    values_.state = *entry_states_[id];
    values_.code.label(label(id));
    std::visit([&](const auto& node) { emit(node); }, graph_.nodes[id]);
    values_.unpin_all();
    if (values_.code.size() > ebpf::kMaxInsns) {
      return std::move(values_.code);  // and the caller says so
    }
  }
  if (values_.gave_up()) {
    return fail(Errc::TooLarge,
                "an expression takes more registers than there are; please report it");
  }
  emit_ends();
  TRY(check_room(values_.remove_unread_stores(), options_));
  values_.code.allow_turning();
  return std::move(values_.code);
}

/// Finds the returns of constants; matches come first, right behind the last question.
void GraphEmitter::place_ends() {
  std::ranges::copy_if(order_, std::back_inserter(ends_), [&](NodeId id) { return is_end(id); });
  std::ranges::stable_partition(ends_,
                                [&](NodeId id) { return graph_.returned_constant(id) != 0; });
  first_end_ = ends_.empty() ? std::nullopt : std::optional(ends_.front());
}

/// The returns of constants, where no labels of the caller's take their place.
void GraphEmitter::emit_ends() {
  if (!options_.match_label.empty()) {
    return;
  }
  bool never_is_placed = !values_.used_never_label();
  for (const NodeId id : ends_) {
    const std::uint32_t k = *graph_.returned_constant(id);
    values_.code.label(label(id));
    if (k == 0 && !never_is_placed) {
      values_.code.label(values_.never_label);
      never_is_placed = true;
    }
    values_.code.add(ebpf::mov32(options_.result, k));
    values_.code.jump(options_.result_label);
  }
  if (!never_is_placed) {
    values_.code.label(values_.never_label);
    values_.code.add(ebpf::mov32(options_.result, 0U));
    values_.code.jump(options_.result_label);
  }
}

void GraphEmitter::flow(NodeId target, const MachineState& state) {
  std::optional<MachineState>& entry = entry_states_[target];
  entry = entry ? MachineState::meet(*entry, state) : state;
}

std::string GraphEmitter::way_to(NodeId target, const MachineState& state) {
  if (must_forget(target, state)) {
    return flow_to_pad(target, state);
  }
  flow(target, state);
  return label(target);
}

void GraphEmitter::jump_if(ebpf::Cmp condition, Reg reg, std::uint32_t k, NodeId target) {
  MachineState there = values_.state;
  if (condition == ebpf::Cmp::Equal) {
    pin_down(reg, there);
  }
  values_.code.jump_if32(condition, reg, k, way_to(target, there));
  if (condition == ebpf::Cmp::NotEqual) {
    pin_down(reg, values_.state);
  }
}

void GraphEmitter::go_to(NodeId target) {
  const bool goes_by_pad = must_forget(target, values_.state);
  const std::string there = way_to(target, values_.state);
  // Where the caller's labels are is not known; a jump to what turns out to follow is dropped later.
  const bool is_callers = is_end(target) && !options_.match_label.empty();
  const bool follows = next_ == target && (goes_by_pad || !pads_[target]);
  if (!follows || is_callers) {
    values_.code.jump(there);
  }
}

void GraphEmitter::emit(const AnyBit& node) {
  const Reg reg = values_.value(node.value);
  const std::uint32_t mask = byte_order_.number(node.value, node.mask);
  if (is_large()) {
    values_.pin(reg);
    const Reg bits = values_.allocate();
    values_.code.add(ebpf::mov32(bits, reg));
    values_.code.add(ebpf::alu32(ebpf::Alu::And, bits, mask));
    jump_if(ebpf::Cmp::NotEqual, bits, 0, node.if_set);
  } else {
    jump_if(ebpf::Cmp::Any, reg, mask, node.if_set);
  }
  go_to(node.if_clear);
}

void GraphEmitter::emit(const Compare& node) {
  const Reg left = values_.value(node.left);
  values_.pin(left);
  const Reg right = values_.value(node.right);
  const bool is_inverted = node.if_true == next_ && node.condition != Condition::AnyBitSet;
  const NodeId target = is_inverted ? node.if_false : node.if_true;
  values_.code.jump_if32(is_inverted ? inverse(node.condition) : compare(node.condition), left,
                         right, way_to(target, values_.state));
  go_to(is_inverted ? node.if_true : node.if_false);
}

void GraphEmitter::emit(const Fits& node) {
  const bool by_pad = must_forget(node.if_outside, values_.state);
  const std::string outside =
      by_pad ? flow_to_pad(node.if_outside, values_.state) : label(node.if_outside);
  const MachineState there = node.index
                                 ? values_.guard_index(*node.index, node.begin, node.end, outside)
                                 : values_.guard(static_cast<std::uint32_t>(node.end), outside);
  if (by_pad) {
    flow_to_pad(node.if_outside, there);
  } else {
    flow(node.if_outside, there);
  }
  go_to(node.if_inside);
}

void GraphEmitter::emit(const SetPhi& node) {
  values_.set_phi(node.phi, node.value);
  go_to(node.next);
}

void GraphEmitter::emit(const Call& node) {
  values_.set_phi_from_call(node.phi, node.helper);
  go_to(node.next);
}

void GraphEmitter::emit_return(const Return& node) {
  const Reg reg = values_.value(node.value);
  if (!options_.match_label.empty()) {
    values_.code.jump_if32(ebpf::Cmp::Equal, reg, 0U, options_.no_match_label);
    values_.code.jump(options_.match_label);
    return;
  }
  if (reg != options_.result) {
    values_.code.add(ebpf::mov32(options_.result, reg));
  }
  values_.code.jump(options_.result_label);
}

Result<ebpf::Assembly> emit_graph(const Graph& graph, const EbpfOptions& options) {
  const std::vector<NodeId> order = topological_order(graph);
  const Uses uses(graph, order);
  const ByteOrder byte_order(graph, order, !options.buffer_on_stack);
  return GraphEmitter(graph, options, order, uses, byte_order, place_cells(graph, order)).run();
}

}  // namespace cbpfc::optimizer

// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/graph/byte_order.h"

#include <algorithm>

namespace cbpfc::optimizer {
namespace {

/// Whether arithmetic gives the same bytes turned, when its left side's bytes are turned.
bool works_on_bytes(const Values& values, const Arithmetic& arithmetic) {
  const auto k = values.known(arithmetic.right);
  return k && *k <= bits_of(values.max(arithmetic.left)) &&
         (arithmetic.op == AluOp::And || arithmetic.op == AluOp::Or || arithmetic.op == AluOp::Xor);
}

/// Marks the values that a node wants as numbers; cells are seen to by settle_cells().
void mark_numbers(const Node& node, std::vector<bool>& wants_number) {
  const auto want = [&](std::optional<ValueId> value) {
    if (value) {
      wants_number[*value] = true;
    }
  };
  std::visit(Overloaded{
                 [&](const Switch& n) {
                   const bool equality_only = std::ranges::all_of(
                       n.cases, [](const Case& one) { return one.low == one.high; });
                   if (!equality_only) {
                     want(n.value);
                   }
                 },
                 [](const AnyBit&) {},
                 [&](const Compare& n) {
                   want(n.left);
                   want(n.right);
                 },
                 [&](const Fits& n) { want(n.index); },
                 [](const SetPhi&) {},
                 [&](const Call& n) { wants_number[n.phi] = true; },
                 [&](const Return& n) { want(n.value); },
                 [](const Forward&) {},
             },
             node);
}

/// Users have higher numbers than what they use, but for cells.
void mark_operands(const Values& values, const std::vector<bool>& lives,
                   std::vector<bool>& wants_number) {
  for (auto value = static_cast<ValueId>(values.size()); value-- > 0;) {
    const auto* arithmetic = std::get_if<Arithmetic>(&values[value]);
    const bool on_bytes = arithmetic != nullptr && works_on_bytes(values, *arithmetic) &&
                          !std::holds_alternative<Phi>(values[arithmetic->left]);
    if (lives[value] && (!on_bytes || wants_number[value])) {
      for_each_operand(values[value], [&](ValueId operand) { wants_number[operand] = true; });
    }
  }
}

/// Bytes that are turned where `value` is raw: a load's, also when bits are masked.  0 for what is a number.
std::uint8_t bytes_turned(const Values& values, ValueId value,
                          const std::vector<bool>& wants_number) {
  while (!wants_number[value]) {
    const auto* arithmetic = std::get_if<Arithmetic>(&values[value]);
    if (arithmetic == nullptr) {
      const auto* load = std::get_if<PacketLoad>(&values[value]);
      return load == nullptr || load->size == Size::Byte ? 0
                                                         : static_cast<std::uint8_t>(load->size);
    }
    if (!works_on_bytes(values, *arithmetic)) {
      return 0;
    }
    value = arithmetic->left;
  }
  return 0;
}

}  // namespace

ByteOrder::ByteOrder(const Graph& graph, const std::vector<NodeId>& order, bool may_be_raw)
    : raw_bytes_(graph.values.size(), 0) {
  if (!may_be_raw) {
    return;
  }
  const Values& values = graph.values;
  std::vector<bool> wants_number(values.size(), false);
  std::vector<SetPhi> sets;
  largest_.assign(values.size(), 0);
  for (const NodeId id : order) {
    mark_numbers(graph.nodes[id], wants_number);
    if (const auto* many = std::get_if<Switch>(&graph.nodes[id])) {
      for (const Case& one : many->cases) {
        largest_[many->value] = std::max(largest_[many->value], one.high);
      }
    }
    if (const auto* set = std::get_if<SetPhi>(&graph.nodes[id])) {
      sets.push_back(*set);
    }
  }
  const std::vector<bool> lives = living_values(graph, order);
  mark_operands(values, lives, wants_number);
  for (bool is_settled = false; !is_settled;) {
    is_settled = !settle_cells(values, sets, wants_number);
    mark_operands(values, lives, wants_number);
  }
  for (ValueId value = 0; value < values.size(); ++value) {
    raw_bytes_[value] = bytes_turned(values, value, wants_number);
  }
  for (const SetPhi& set : sets) {
    raw_bytes_[set.phi] = raw_bytes_[set.value];  // of all that are put into it alike
  }
}

/// A cell is raw if all that is put into it is, with as many bytes, and if it is compared with nothing that these
/// cannot be: of such a number the bytes beyond would be lost.  Whether something became a number.
bool ByteOrder::settle_cells(const Values& values, const std::vector<SetPhi>& sets,
                             std::vector<bool>& wants_number) const {
  std::vector<std::uint8_t> bytes(values.size(), 0);
  bool has_changed = false;
  const auto want = [&](ValueId value) {
    has_changed = has_changed || !wants_number[value];
    wants_number[value] = true;
  };
  for (const SetPhi& set : sets) {
    const std::uint8_t turned = bytes_turned(values, set.value, wants_number);
    const bool is_too_large = turned == 2 && largest_[set.phi] > 0xffff;
    if (turned == 0 || is_too_large || (bytes[set.phi] != 0 && bytes[set.phi] != turned)) {
      want(set.phi);
    }
    bytes[set.phi] = turned;
  }
  for (const SetPhi& set : sets) {
    if (wants_number[set.phi]) {
      want(set.value);
    }
  }
  return has_changed;
}

std::uint32_t ByteOrder::number(ValueId value, std::uint32_t k) const {
  switch (raw_bytes_[value]) {
    case 2: return (k & 0xff) << 8 | (k >> 8 & 0xff);
    case 4: return __builtin_bswap32(k);
    default: return k;
  }
}

}  // namespace cbpfc::optimizer

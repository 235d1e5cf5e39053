// SPDX-License-Identifier: BSD-3-Clause

#include "byte_order.h"

#include <algorithm>

namespace cbpfc::optimizer {
namespace {

/// Whether arithmetic gives the same bytes turned, when its left side's bytes are turned.
bool works_on_bytes(const Values& values, const Arithmetic& arithmetic) {
  const auto k = values.known(arithmetic.right);
  return k && *k <= bits_of(values.max(arithmetic.left)) &&
         (arithmetic.op == AluOp::And || arithmetic.op == AluOp::Or || arithmetic.op == AluOp::Xor);
}

/// Marks the values that a node wants as numbers.
void mark_numbers(const Node& node, std::vector<bool>& wants_number) {
  if (const auto* many = std::get_if<Switch>(&node)) {
    const bool equality_only =
        std::ranges::all_of(many->cases, [](const Case& one) { return one.low == one.high; });
    if (!equality_only) {
      wants_number[many->value] = true;
    }
    return;
  }
  if (!std::holds_alternative<AnyBit>(node)) {
    for (const ValueId value : values_of(node)) {
      wants_number[value] = true;
    }
  }
}

}  // namespace

ByteOrder::ByteOrder(const Graph& graph, const std::vector<NodeId>& order)
    : raw_bytes_(graph.values.size(), 0) {
  const Values& values = graph.values;
  std::vector<bool> wants_number(values.size(), false);
  for (const NodeId id : order) {
    mark_numbers(graph.nodes[id], wants_number);
  }
  const std::vector<bool> lives = living_values(graph, order);
  // Users have higher numbers than what they use.
  for (auto value = static_cast<ValueId>(values.size()); value-- > 0;) {
    const auto* arithmetic = std::get_if<Arithmetic>(&values[value]);
    const bool on_bytes = arithmetic != nullptr && works_on_bytes(values, *arithmetic);
    if (lives[value] && (!on_bytes || wants_number[value])) {
      for (const ValueId operand : values.operands(value)) {
        wants_number[operand] = true;
      }
    }
  }
  for (ValueId value = 0; value < values.size(); ++value) {
    if (wants_number[value]) {
      continue;
    }
    if (const auto* load = std::get_if<PacketLoad>(&values[value])) {
      raw_bytes_[value] = load->size == Size::Byte ? 0 : static_cast<std::uint8_t>(load->size);
    } else if (const auto* arithmetic = std::get_if<Arithmetic>(&values[value]);
               arithmetic != nullptr && works_on_bytes(values, *arithmetic)) {
      raw_bytes_[value] = raw_bytes_[arithmetic->left];
    }
  }
}

std::uint32_t ByteOrder::number(ValueId value, std::uint32_t k) const {
  switch (raw_bytes_[value]) {
    case 2: return (k & 0xff) << 8 | (k >> 8 & 0xff);
    case 4: return __builtin_bswap32(k);
    default: return k;
  }
}

}  // namespace cbpfc::optimizer

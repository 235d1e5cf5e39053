// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/graph/question.h"

#include <algorithm>

#include "cbpfc/graph/ebpf_options.h"

namespace cbpfc::optimizer {
namespace {

/// value in [low, high], while it is being made simpler.
struct Interval {
  ValueId value;
  std::uint64_t low;
  std::uint64_t high;  ///< below low: never
};

/// Rewrites a question about arithmetic with a constant as one about its left side.  False: it is as simple
/// as it gets.
bool peel(const Values& values, Interval& asked) {
  const auto outer = values.with_constant(asked.value);
  if (!outer) {
    return false;
  }
  const std::uint32_t k = outer->k;
  const std::uint32_t inner_max = values.max(outer->left);
  switch (outer->op) {
    case AluOp::Add:
      if (asked.low != asked.high) {
        return false;
      }
      asked.low = asked.high = static_cast<std::uint32_t>(asked.low - k);
      break;
    case AluOp::Rsh:
      asked.low <<= k;
      asked.high = asked.high << k | ((std::uint64_t{1} << k) - 1);
      break;
    case AluOp::Lsh:
      if (std::uint64_t{inner_max} << k > kMostU32) {
        return false;
      }
      asked.low = (asked.low + (std::uint64_t{1} << k) - 1) >> k;
      asked.high >>= k;
      break;
    case AluOp::And: {
      if (!is_prefix_mask(k, inner_max)) {
        return false;
      }
      const std::uint64_t zeros = ~k & bits_of(inner_max);
      asked.low = (asked.low + zeros) & ~zeros;
      asked.high |= zeros;
      break;
    }
    default: return false;
  }
  asked.value = outer->left;
  return true;
}

NodeId ask_any_bit(Graph& graph, const PacketRules& rules, ValueId value, std::uint32_t mask,
                   NodeId if_set, NodeId if_clear) {
  const Values& values = graph.values;
  for (;;) {
    mask &= bits_of(values.max(value));
    const auto outer = values.with_constant(value);
    if (!outer || (outer->op != AluOp::And && outer->op != AluOp::Rsh && outer->op != AluOp::Lsh)) {
      break;
    }
    mask = outer->op == AluOp::And   ? mask & outer->k
           : outer->op == AluOp::Rsh ? mask << outer->k
                                     : mask >> outer->k;
    value = outer->left;
  }
  if (mask == 0 || if_set == if_clear) {
    return if_clear;
  }
  if (const auto k = values.known(value)) {
    return (*k & mask) != 0 ? if_set : if_clear;
  }
  if (mask == bits_of(values.max(value))) {
    return ask_interval(graph, rules, value, 1, kMostU32, if_set, if_clear);
  }
  return graph.add(AnyBit{.value = value, .mask = mask, .if_set = if_set, .if_clear = if_clear});
}

/// A question for the packet's length that one comparison with its end answers; nullopt for others.
std::optional<NodeId> ask_length(Graph& graph, const PacketRules& rules, const Interval& asked,
                                 NodeId if_true, NodeId if_false) {
  if (!rules.length_is_bytes || !std::holds_alternative<PacketLength>(graph.values[asked.value])) {
    return std::nullopt;
  }
  if (asked.high == kMostU32) {
    return ask_fits(graph, rules, std::nullopt, 0, static_cast<std::int64_t>(asked.low), if_true,
                    if_false);
  }
  if (asked.low == 0) {
    return ask_fits(graph, rules, std::nullopt, 0, static_cast<std::int64_t>(asked.high) + 1,
                    if_false, if_true);
  }
  return std::nullopt;
}

}  // namespace

PacketRules rules_for(const EbpfOptions& options) {
  return {.max_packet_offset = max_packet_offset(options),
          .length_is_bytes = !options.packet_length,
          .registers = options.access == PacketAccess::Probe ? 2U : 4U,
          .load_registers = options.buffer_on_stack ? 2U : 1U,
          .indexed_load_registers = options.access == PacketAccess::Probe ? 1U : 3U,
          .has_wide_loads = !options.buffer_on_stack};
}

NodeId ask_interval(Graph& graph, const PacketRules& rules, ValueId value, std::uint32_t low,
                    std::uint32_t high, NodeId if_true, NodeId if_false) {
  const Values& values = graph.values;
  Interval asked{.value = value, .low = low, .high = high};
  bool is_simple = false;
  while (!is_simple) {
    const std::uint64_t most = values.max(asked.value);
    asked.high = std::min(asked.high, most);
    if (asked.low > asked.high || if_true == if_false) {
      return if_false;
    }
    if (asked.low == 0 && asked.high == most) {
      return if_true;
    }
    is_simple = !peel(values, asked);
  }
  const auto least = static_cast<std::uint32_t>(asked.low);
  const auto most = static_cast<std::uint32_t>(asked.high);
  if (const auto k = values.known(asked.value)) {
    return least <= *k && *k <= most ? if_true : if_false;
  }
  if (const auto node = ask_length(graph, rules, asked, if_true, if_false)) {
    return *node;
  }
  if (const auto outer = values.with_constant(asked.value); outer && outer->op == AluOp::And) {
    if (least == most && (most & ~outer->k) != 0) {
      return if_false;  // a bit that the mask takes away
    }
    if (most == 0) {
      return ask_any_bit(graph, rules, asked.value, kMostU32, if_false, if_true);
    }
    if (least == 1 && most == values.max(asked.value)) {
      return ask_any_bit(graph, rules, asked.value, kMostU32, if_true, if_false);
    }
  }
  return graph.add(Switch{.value = asked.value,
                          .cases = {{.low = least, .high = most, .target = if_true}},
                          .otherwise = if_false});
}

NodeId ask(Graph& graph, const PacketRules& rules, Condition condition, ValueId left, ValueId right,
           NodeId if_true, NodeId if_false) {
  const Values& values = graph.values;
  if (const auto k = values.known(right)) {
    switch (condition) {
      case Condition::Equal: return ask_interval(graph, rules, left, *k, *k, if_true, if_false);
      case Condition::Greater:
        return *k == kMostU32
                   ? if_false
                   : ask_interval(graph, rules, left, *k + 1, kMostU32, if_true, if_false);
      case Condition::GreaterEqual:
        return ask_interval(graph, rules, left, *k, kMostU32, if_true, if_false);
      case Condition::AnyBitSet: return ask_any_bit(graph, rules, left, *k, if_true, if_false);
    }
  }
  if (const auto k = values.known(left)) {
    switch (condition) {
      case Condition::Equal:
      case Condition::AnyBitSet:
        return ask(graph, rules, condition, right, left, if_true, if_false);
      case Condition::Greater:
        return *k == 0 ? if_false : ask_interval(graph, rules, right, 0, *k - 1, if_true, if_false);
      case Condition::GreaterEqual:
        return ask_interval(graph, rules, right, 0, *k, if_true, if_false);
    }
  }
  if (left == right) {
    switch (condition) {
      case Condition::Equal:
      case Condition::GreaterEqual: return if_true;
      case Condition::Greater: return if_false;
      case Condition::AnyBitSet:
        return ask_interval(graph, rules, left, 1, kMostU32, if_true, if_false);
    }
  }
  if (if_true == if_false) {
    return if_true;
  }
  return graph.add(Compare{.condition = condition,
                           .left = left,
                           .right = right,
                           .if_true = if_true,
                           .if_false = if_false});
}

NodeId ask_fits(Graph& graph, const PacketRules& rules, std::optional<ValueId> index,
                std::int64_t begin, std::int64_t end, NodeId if_inside, NodeId if_outside) {
  if (index && graph.values.known(*index)) {
    const std::uint32_t start = *graph.values.known(*index) + static_cast<std::uint32_t>(begin);
    end = std::int64_t{start} + (end - begin);
    begin = 0;
    index.reset();
  }
  if (index && begin > 0 && end <= kReach && graph.values.max(*index) <= kMostU32 - kReach) {
    begin = 0;  // offsets do not wrap, so what lies before these bytes is there, too
  }
  if (!index && end <= 0) {
    return if_inside;
  }
  if (end - begin > rules.max_packet_offset) {
    return if_outside;
  }
  if (if_inside == if_outside) {
    return if_inside;
  }
  return graph.add(Fits{.index = index,
                        .begin = index ? begin : 0,
                        .end = end,
                        .if_inside = if_inside,
                        .if_outside = if_outside});
}

}  // namespace cbpfc::optimizer

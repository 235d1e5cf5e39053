// SPDX-License-Identifier: BSD-3-Clause
//
// The form in which the cases of a Switch are compared.
//
// Networks: a Switch whose intervals all are what one mask leaves.
//
//     p32[30]  198.18.32.0..198.18.32.255, ...     (p32[30] & 0xffffff00)  198.18.32.0, ...
//     p32[30]  10.0.0.0..10.255.255.255            p8[30]  10
//
// Masking once makes each interval a single comparison for equality, which needs no host byte order; where
// the mask is of whole leading bytes, loading those is enough.  Intervals of different widths stay, they are
// compared in host order.
//
// Lists of numbers among which some happen to be neighbours: these few short intervals are numbers again, so that
// all are compared for equality.
//
// Cost: O(cases).
// Tested by: compare_passes_test.cc.

#include <algorithm>
#include <bit>
#include <optional>

#include "graph_passes.h"

namespace cbpfc::optimizer {
namespace {

/// The number of low bits that all cases leave free; nullopt when they are no masked values, or single numbers.
std::optional<unsigned> free_bits(const Switch& node, std::uint32_t max) {
  const std::uint64_t size = std::uint64_t{node.cases.front().high} - node.cases.front().low + 1;
  if (size == 1 || !std::has_single_bit(size)) {
    return std::nullopt;
  }
  for (const Case& one : node.cases) {
    if (std::uint64_t{one.high} - one.low + 1 != size || one.low % size != 0) {
      return std::nullopt;
    }
  }
  if (node.cases.size() == 1 && (node.cases[0].low == 0 || node.cases[0].high == max)) {
    return std::nullopt;  // one comparison does
  }
  return static_cast<unsigned>(std::countr_zero(size));
}

/// The load of the leading bytes that are left of `load` without its last `bits` bits.
std::optional<PacketLoad> leading_bytes(const PacketLoad& load, unsigned bits) {
  const unsigned left = 8 * static_cast<unsigned>(load.size) - bits;
  if (left != 8 && left != 16) {
    return std::nullopt;
  }
  return PacketLoad{
      .size = left == 8 ? Size::Byte : Size::Half, .index = load.index, .offset = load.offset};
}

/// How many numbers lie in the intervals; stops counting when there are clearly more than intervals.
std::size_t count_numbers(const Switch& node) {
  std::size_t numbers = 0;
  for (const Case& one : node.cases) {
    if (one.high - one.low > 8) {
      return ~std::size_t{0};
    }
    numbers += one.high - one.low + 1;
  }
  return numbers;
}

/// Makes numbers of a few short intervals.
void spell_out(Switch& node) {
  std::vector<Case> numbers;
  for (const Case& one : node.cases) {
    for (std::uint64_t number = one.low; number <= one.high; ++number) {
      const auto k = static_cast<std::uint32_t>(number);
      numbers.push_back({.low = k, .high = k, .target = one.target});
    }
  }
  node.cases = std::move(numbers);
}

}  // namespace

void choose_masks(Graph& graph) {
  for (const NodeId id : topological_order(graph)) {
    auto* node = std::get_if<Switch>(&graph.nodes[id]);
    if (node == nullptr || node->cases.empty()) {
      continue;
    }
    const auto bits = free_bits(*node, graph.values.max(node->value));
    if (!bits) {
      if (node->cases.size() > 1 && count_numbers(*node) <= node->cases.size() * 5 / 4) {
        spell_out(*node);
      }
      continue;
    }
    const auto* load = std::get_if<PacketLoad>(&graph.values[node->value]);
    const auto shorter = load != nullptr ? leading_bytes(*load, *bits) : std::nullopt;
    const std::uint32_t mask = bits_of(graph.values.max(node->value)) & ~((1U << *bits) - 1);
    for (Case& one : node->cases) {
      one.low = shorter ? one.low >> *bits : one.low;
      one.high = one.low;
    }
    // Not simplified: the interval of the whole value is what this undoes.
    node->value =
        shorter ? graph.values.add(*shorter)
                : graph.values.add(Arithmetic{
                      .op = AluOp::And, .left = node->value, .right = graph.values.constant(mask)});
  }
}

}  // namespace cbpfc::optimizer

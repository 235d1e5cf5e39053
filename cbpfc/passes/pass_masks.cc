// SPDX-License-Identifier: BSD-3-Clause
//
// The form in which the cases of a Switch are compared.
//
// Networks: a Switch whose intervals all are what masks leave.
//
//     p32[30]  198.18.32.0..198.18.32.255, ...         (p32[30] & 0xffffff00)  198.18.32.0, ...
//     p32[30]  10.0.0.0..10.255.255.255                p8[30]  10
//
// Masking makes each interval a single comparison for equality, which needs no host byte order; where the mask is
// of leading bytes, loading those is enough.  Neighbours that have become one interval are several networks
// again.  One mask serves a list of any length; a list of networks of different sizes stays one of intervals, which are
// compared in host order.
//
// Lists of numbers among which some happen to be neighbours are the case of the mask that leaves everything: these
// few short intervals are numbers again, so that all are compared for equality.
//
// Cost: O(cases).
// Tested by: cbpfc/tests/golden/passes/masks.txt.

#include <algorithm>
#include <bit>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "cbpfc/passes/graph_passes.h"

namespace cbpfc::optimizer {
namespace {

std::uint64_t size_of(const Case& one) {
  return std::uint64_t{one.high} - one.low + 1;
}

/// The low bits that no case depends on: the largest networks that all are made of.
unsigned free_bits(std::span<const Case> cases) {
  std::uint64_t bounds = std::uint64_t{1} << 32;
  for (const Case& one : cases) {
    bounds |= one.low | (std::uint64_t{one.high} + 1);
  }
  return static_cast<unsigned>(std::countr_zero(bounds));
}

/// The cases as networks that leave `bits` free; nullopt when these are clearly more than the cases.
std::optional<std::vector<Case>> as_networks(std::span<const Case> cases, unsigned bits) {
  std::uint64_t count = 0;
  for (const Case& one : cases) {
    count += size_of(one) >> bits;
  }
  if (4 * count > 5 * cases.size()) {
    return std::nullopt;
  }
  std::vector<Case> networks;
  for (const Case& one : cases) {
    for (std::uint64_t low = one.low; low <= one.high; low += std::uint64_t{1} << bits) {
      networks.push_back({.low = static_cast<std::uint32_t>(low),
                          .high = static_cast<std::uint32_t>(low + ((1ULL << bits) - 1)),
                          .target = one.target});
    }
  }
  return networks;
}

/// A value, and how far its bits are to the right of where they were.
struct Masked {
  ValueId value;
  unsigned shift;
};

/// `value` without its last `bits` bits: the bytes that are left, where it is a load.
Masked masked(Values& values, ValueId value, unsigned bits) {
  Masked short_one{.value = value, .shift = 0};
  if (const auto* load = std::get_if<PacketLoad>(&values[value])) {
    const unsigned width = 8 * static_cast<unsigned>(load->size);
    const unsigned left = width - bits;
    const unsigned loaded = left <= 8 ? 8 : left <= 16 ? 16 : width;
    if (loaded < width) {
      short_one = {.value = values.add(PacketLoad{.size = loaded == 8 ? Size::Byte : Size::Half,
                                                  .index = load->index,
                                                  .offset = load->offset}),
                   .shift = width - loaded};
    }
  }
  if (bits > short_one.shift) {
    const std::uint32_t mask =
        bits_of(values.max(short_one.value)) & ~((1U << (bits - short_one.shift)) - 1);
    // Not simplified: the interval of the whole value is what this undoes.
    short_one.value = values.add(
        Arithmetic{.op = AluOp::And, .left = short_one.value, .right = values.constant(mask)});
  }
  return short_one;
}

/// The question for networks of one size.
Switch compare_networks(Values& values, ValueId value, std::vector<Case> networks, unsigned bits,
                        NodeId otherwise) {
  const Masked compared = masked(values, value, bits);
  for (Case& one : networks) {
    one.low = one.high = one.low >> compared.shift;
  }
  return {.value = compared.value, .cases = std::move(networks), .otherwise = otherwise};
}

/// Whether one comparison of order does.
bool is_one_sided(const Switch& node, std::uint32_t max) {
  return node.cases.size() == 1 && (node.cases[0].low == 0 || node.cases[0].high == max);
}

/// Whether a number is at least a power of two is whether one of the bits from there on is set, which bytes in the
/// packet's order tell as well.
std::optional<AnyBit> as_bits(const Switch& node, const Values& values) {
  const auto* load = std::get_if<PacketLoad>(&values[node.value]);
  const Case& one = node.cases[0];
  const std::uint32_t bound = one.low == 0 ? one.high + 1 : one.low;
  if (load == nullptr || load->size == Size::Byte || bound == 1 || !std::has_single_bit(bound)) {
    return std::nullopt;  // a comparison with 0 needs no order
  }
  return AnyBit{.value = node.value,
                .mask = values.max(node.value) & ~(bound - 1),
                .if_set = one.low == 0 ? node.otherwise : one.target,
                .if_clear = one.low == 0 ? one.target : node.otherwise};
}

}  // namespace

void choose_masks(Graph& graph) {
  for (const NodeId id : topological_order(graph)) {
    const auto* found = std::get_if<Switch>(&graph.nodes[id]);
    if (found == nullptr || found->cases.empty()) {
      continue;
    }
    if (is_one_sided(*found, graph.values.max(found->value))) {
      if (const auto bits = as_bits(*found, graph.values)) {
        graph.nodes[id] = *bits;
      }
      continue;
    }
    const Switch node = *found;
    const unsigned bits = free_bits(node.cases);
    if (auto networks = as_networks(node.cases, bits)) {
      graph.nodes[id] =
          compare_networks(graph.values, node.value, *std::move(networks), bits, node.otherwise);
    }
  }
}

}  // namespace cbpfc::optimizer

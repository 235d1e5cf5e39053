// SPDX-License-Identifier: BSD-3-Clause
//
// Comparisons with many constants (the Switch nodes of GraphEmitter).
//
// Up to kLeafCases are compared one after the other; more are halved by an ordered comparison first:
//
//     if w4 >= 0x1a02 goto right              values kept raw are ordered by their raw numbers;
//     if w4 == 0x0035 goto T  ...             any order serves to find an equal one
//     goto F
//     right: ...
//
// Half of an ordered comparison's outcomes surprise the processor when the key changes from packet to packet,
// and that costs as much as some ten comparisons that fail as expected: hence leaves of several, not of one.
// Where a list is followed one by one, the arm with more ahead of it goes first.
//
// An interval takes one comparison or two, depending on what the bounds on the way already say.
//
// Tested by: emit_graph_test.cc.

#include <algorithm>

#include "graph_emitter.h"

namespace cbpfc::optimizer {
namespace {

using ebpf::Cmp;
using ebpf::Reg;

constexpr std::size_t kLeafCases = 8;

}  // namespace

void GraphEmitter::emit(const Switch& node) {
  const Reg reg = values_.value(node.value);
  std::vector<Case> cases = node.cases;
  if (byte_order_.is_raw(node.value)) {
    for (Case& one : cases) {
      one.low = one.high = byte_order_.number(node.value, one.low);
    }
    std::ranges::sort(cases, {}, &Case::low);
  }
  emit_cases(reg, cases, {.low = 0, .high = graph_.values.max(node.value)}, node.otherwise, true);
}

/// `is_last`: the code ends here, so the next node may follow without a jump.
void GraphEmitter::emit_cases(Reg reg, std::span<const Case> cases, Bounds bounds, NodeId otherwise,
                              bool is_last) {
  if (cases.size() > kLeafCases) {
    const std::size_t middle = cases.size() / 2;
    const std::uint32_t pivot = cases[middle].low;
    const std::string right = local_label();
    values_.code.jump_if32(Cmp::GreaterEqual, reg, pivot, right);
    emit_cases(reg, cases.first(middle), {.low = bounds.low, .high = pivot - 1}, otherwise, false);
    values_.code.label(right);
    emit_cases(reg, cases.subspan(middle), {.low = pivot, .high = bounds.high}, otherwise, is_last);
    return;
  }
  const bool are_single =
      std::ranges::all_of(cases, [](const Case& one) { return one.low == one.high; });
  if (are_single) {
    emit_single_cases(reg, cases, otherwise, is_last);
  } else {
    emit_interval_cases(reg, cases, bounds, otherwise, is_last);
  }
}

void GraphEmitter::go_from_leaf(NodeId target, bool is_last) {
  if (is_last) {
    go_to(target);
  } else {
    flow(target, values_.state);
    values_.code.jump(label(target));
  }
}

void GraphEmitter::emit_single_cases(Reg reg, std::span<const Case> cases, NodeId otherwise,
                                     bool is_last) {
  std::vector<Case> ordered(cases.begin(), cases.end());
  std::ranges::stable_sort(ordered, [&](const Case& left, const Case& right) {
    return ways_[left.target] > ways_[right.target];
  });
  if (is_last && otherwise != next_) {
    // The next node should be reached by not jumping, so its case comes last, inverted.
    const auto next = std::ranges::find_if(ordered.rbegin(), ordered.rend(),
                                           [&](const Case& one) { return one.target == next_; });
    if (next != ordered.rend()) {
      std::rotate(next.base() - 1, next.base(), ordered.end());
    }
  }
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    const bool is_inverted =
        is_last && i + 1 == ordered.size() && ordered[i].target == next_ && otherwise != next_;
    if (is_inverted) {
      jump_if(Cmp::NotEqual, reg, ordered[i].low, otherwise);
      go_to(ordered[i].target);
      return;
    }
    jump_if(Cmp::Equal, reg, ordered[i].low, ordered[i].target);
  }
  go_from_leaf(otherwise, is_last);
}

void GraphEmitter::emit_interval_cases(Reg reg, std::span<const Case> cases, Bounds bounds,
                                       NodeId otherwise, bool is_last) {
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& one = cases[i];
    const bool is_inverted =
        is_last && i + 1 == cases.size() && one.target == next_ && otherwise != next_;
    const NodeId target = is_inverted ? otherwise : one.target;
    if (one.low == one.high) {
      jump_if(is_inverted ? Cmp::NotEqual : Cmp::Equal, reg, one.low, target);
    } else if (one.high >= bounds.high) {
      jump_if(is_inverted ? Cmp::Less : Cmp::GreaterEqual, reg, one.low, target);
    } else {
      if (one.low > bounds.low) {
        jump_if(Cmp::Less, reg, one.low, otherwise);  // the intervals below have been asked for
      }
      jump_if(is_inverted ? Cmp::Greater : Cmp::LessEqual, reg, one.high, target);
    }
    if (is_inverted) {
      go_to(one.target);
      return;
    }
    if (one.low <= bounds.low || one.low != one.high) {
      bounds.low = one.high + 1;
    }
  }
  go_from_leaf(otherwise, is_last);
}

}  // namespace cbpfc::optimizer

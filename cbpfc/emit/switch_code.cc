// SPDX-License-Identifier: BSD-3-Clause
//
// Comparisons with many constants (the Switch nodes of GraphEmitter).
//
// Up to kLeafCases are compared one after the other; some more are halved by an ordered comparison first; many
// are dealt into buckets by a hash, and only the bucket's are compared:
//
//     if w4 >= 0x1a02 goto right            w5 = w4; w5 >>= 9; w5 &= 7
//     if w4 == 0x0035 goto T  ...           if w5 == 0 goto bucket 0  ...  if w5 == 6 goto bucket 6
//     goto F                                bucket 7: if w4 == 0x0035 goto T  ...
//     right: ...
//
// A tree has half a wrong guess of the branch predictor a level, finding one of many buckets one in all; each costs as
// much as some forty comparisons that fail as expected.  Where one packet repeats nothing is guessed wrongly, and few
// comparisons count: hence trees for short lists.
//
// Values kept raw are compared, ordered and hashed by their raw numbers.  Where a list is followed one by one, the
// arm with more ahead of it goes first.  An interval takes one comparison or two, depending on what the bounds on
// the way already say.
//
// Tested by: emit_graph_test.cc.

#include <algorithm>

#include "cbpfc/emit/graph_emitter.h"

namespace cbpfc::optimizer {
namespace {

using ebpf::Cmp;
using ebpf::Reg;

constexpr std::size_t kLeafCases = 4;
/// From here on a hash takes the place of a tree.
constexpr std::size_t kHashedCases = 40;

/// A hash of a number, in few instructions: some of its own bits, or the highest of its product with
/// `multiplier` modulo 2^32.
struct Hash {
  std::uint32_t multiplier;  ///< 1: none
  unsigned shift;
  unsigned bits;

  std::uint32_t bucket(std::uint32_t number) const {
    return (number * multiplier >> shift) & ((1U << bits) - 1);
  }
};

std::size_t fullest_bucket(const Hash& hash, std::span<const Case> cases) {
  std::vector<std::size_t> filled(std::size_t{1} << hash.bits, 0);
  for (const Case& one : cases) {
    ++filled[hash.bucket(one.low)];
  }
  return std::ranges::max(filled);
}

/// The hash that deals `cases` evenly.  A product takes three cycles more, which only a clearly more even hash is
/// worth.
Hash choose_hash(std::span<const Case> cases) {
  // Comparisons made are half the buckets and the bucket's cases, so their numbers should be alike.
  unsigned bits = 3;
  while ((std::size_t{1} << (2 * (bits + 1))) <= 2 * cases.size()) {
    ++bits;
  }
  Hash best{.multiplier = 1, .shift = 32 - bits, .bits = bits};
  std::size_t fullest_of_best = fullest_bucket(best, cases);
  for (unsigned shift = 0; shift < 32 - bits; ++shift) {
    const Hash hash{.multiplier = 1, .shift = shift, .bits = bits};
    if (const std::size_t fullest = fullest_bucket(hash, cases); fullest < fullest_of_best) {
      best = hash;
      fullest_of_best = fullest;
    }
  }
  std::uint32_t multiplier = 0x9e3779b1;
  for (int attempt = 0; attempt < 32; ++attempt) {
    const Hash hash{.multiplier = multiplier, .shift = 32 - bits, .bits = bits};
    const std::size_t fullest = fullest_bucket(hash, cases);
    if (best.multiplier == 1 ? 3 * fullest < 2 * fullest_of_best : fullest < fullest_of_best) {
      best = hash;
      fullest_of_best = fullest;
    }
    multiplier = multiplier * 0x915f77f5 + 2;  // stays odd
  }
  return best;
}

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
  const bool are_single =
      std::ranges::all_of(cases, [](const Case& one) { return one.low == one.high; });
  if (are_single && cases.size() >= kHashedCases) {
    emit_hashed_cases(reg, cases, node.otherwise);
  } else {
    emit_cases(reg, cases, {.low = 0, .high = graph_.values.max(node.value)}, node.otherwise, true);
  }
}

void GraphEmitter::emit_hashed_cases(Reg reg, std::span<const Case> cases, NodeId otherwise) {
  const Hash hash = choose_hash(cases);
  std::vector<std::vector<Case>> buckets(std::size_t{1} << hash.bits);
  for (const Case& one : cases) {
    buckets[hash.bucket(one.low)].push_back(one);
  }
  values_.pin(reg);
  const Reg bucket = values_.allocate();
  values_.code.add(ebpf::mov32(bucket, reg));
  if (hash.multiplier != 1) {
    values_.code.add(ebpf::alu32(ebpf::Alu::Mul, bucket, hash.multiplier));
  }
  if (hash.shift != 0) {
    values_.code.add(ebpf::alu32(ebpf::Alu::Rsh, bucket, hash.shift));
  }
  if (hash.shift + hash.bits < 32) {
    values_.code.add(ebpf::alu32(ebpf::Alu::And, bucket, (1U << hash.bits) - 1));
  }
  std::vector<std::string> labels;
  for (std::uint32_t i = 0; i + 1 < buckets.size(); ++i) {
    labels.push_back(local_label());
    values_.code.jump_if32(Cmp::Equal, bucket, i, labels[i]);
  }
  // The last bucket needs no comparison; its code follows, and the others'.
  for (std::size_t i = buckets.size(); i-- > 0;) {
    if (i < labels.size()) {
      values_.code.label(labels[i]);
    }
    emit_single_cases(reg, buckets[i], otherwise, i == 0);
  }
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
    values_.code.jump(way_to(target, values_.state));
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
    if (is_inverted && is_large()) {
      const std::string here = local_label();
      values_.code.jump_if32(Cmp::Equal, reg, ordered[i].low, here);
      values_.code.keep_last_branch();
      values_.code.jump(way_to(otherwise, values_.state));
      values_.code.label(here);
      pin_down(reg, values_.state);
      go_to(ordered[i].target);
      return;
    }
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

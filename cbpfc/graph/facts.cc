// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/graph/facts.h"

#include <algorithm>
#include <limits>

namespace cbpfc::optimizer {
namespace {

constexpr std::size_t kMostValues = 20;
constexpr std::size_t kMostSpans = 8;
constexpr std::size_t kMostExclusions = 12;

}  // namespace

const Facts::ValueFact* Facts::find(ValueId value) const {
  const auto place = std::ranges::find(values_, value, &ValueFact::value);
  return place != values_.end() ? &*place : nullptr;
}

Facts::ValueFact& Facts::find_or_add(ValueId value, std::uint32_t max) {
  const auto place = std::ranges::find(values_, value, &ValueFact::value);
  if (place != values_.end()) {
    return *place;
  }
  if (values_.size() == kMostValues) {
    std::erase_if(exclusions_,
                  [&](const Exclusion& one) { return one.value == values_.front().value; });
    values_.erase(values_.begin());
  }
  values_.push_back({.value = value, .low = 0, .high = max});
  return values_.back();
}

bool Facts::is_excluded(ValueId value, std::uint32_t number) const {
  return std::ranges::find(exclusions_, Exclusion{value, number}) != exclusions_.end();
}

std::size_t Facts::count_excluded(ValueId value) const {
  return static_cast<std::size_t>(std::ranges::count(exclusions_, value, &Exclusion::value));
}

/// Moves the bounds past numbers that are excluded.
void Facts::tighten(ValueFact& fact) const {
  while (fact.low < fact.high && is_excluded(fact.value, fact.low)) {
    ++fact.low;
  }
  while (fact.low < fact.high && is_excluded(fact.value, fact.high)) {
    --fact.high;
  }
}

void Facts::learn_interval(ValueId value, std::uint32_t low, std::uint32_t high,
                           std::uint32_t max) {
  ValueFact& fact = find_or_add(value, max);
  if (std::max(fact.low, low) <= std::min(fact.high, high)) {  // else no packet comes here
    fact.low = std::max(fact.low, low);
    fact.high = std::min(fact.high, high);
    tighten(fact);
  }
}

void Facts::learn_not(ValueId value, std::uint32_t low, std::uint32_t high, std::uint32_t max) {
  ValueFact& fact = find_or_add(value, max);
  if (low <= fact.low && high < fact.high && high >= fact.low) {
    fact.low = high + 1;
  } else if (high >= fact.high && low > fact.low && low <= fact.high) {
    fact.high = low - 1;
  } else if (low == high) {
    if (count_excluded(value) == kMostExclusions) {
      exclusions_.erase(std::ranges::find(exclusions_, value, &Exclusion::value));
    }
    exclusions_.push_back({.value = value, .number = low});
  }
  tighten(fact);
}

void Facts::learn_any_bit(ValueId value, std::uint32_t mask, bool is_set, std::uint32_t max) {
  ValueFact& fact = find_or_add(value, max);
  if (is_set) {
    fact.any_of = mask;
    if (fact.low == 0 && fact.high > 0) {
      fact.low = 1;
    }
  } else {
    fact.clear |= mask;
  }
}

void Facts::learn_fits(std::optional<ValueId> index, std::int64_t begin, std::int64_t end,
                       bool is_inside) {
  if (!index) {
    const auto length = static_cast<std::uint32_t>(end);
    if (is_inside) {
      length_low_ = std::max(length_low_, length);
    } else {
      length_high_ = std::min(length_high_, length - 1);
    }
    return;
  }
  if (is_inside) {  // the packet is at least as long as what is in it
    length_low_ = std::max(length_low_, static_cast<std::uint32_t>(end - begin));
  }
  for (SpanFact& span : spans_) {
    if (span.index != *index) {
      continue;
    }
    const bool touches = begin >= span.begin && begin <= span.inside_end;
    if (is_inside && touches) {
      span.inside_end = std::max(span.inside_end, end);
      return;
    }
    if (!is_inside && touches && span.inside_end > span.begin) {
      span.outside_end = span.has_outside ? std::min(span.outside_end, end) : end;
      span.has_outside = true;
      return;
    }
  }
  if (spans_.size() == kMostSpans) {
    spans_.erase(spans_.begin());
  }
  spans_.push_back({.index = *index,
                    .begin = begin,
                    .inside_end = is_inside ? end : begin,
                    .outside_end = is_inside ? 0 : end,
                    .has_outside = !is_inside});
}

bool Facts::may_be_in(ValueId value, std::uint32_t low, std::uint32_t high) const {
  const ValueFact* fact = find(value);
  if (fact == nullptr) {
    return true;
  }
  if (high < fact->low || low > fact->high) {
    return false;
  }
  return low != high || (!is_excluded(value, low) && (low & fact->clear) == 0 &&
                         (fact->any_of == 0 || (low & fact->any_of) != 0));
}

std::optional<NodeId> Facts::decide_switch(const Switch& node) const {
  const ValueFact* fact = find(node.value);
  if (fact == nullptr) {
    return std::nullopt;
  }
  std::optional<NodeId> only;
  std::uint64_t next = fact->low;  // the first number not yet assigned to an arm
  const auto add = [&](NodeId target) {
    if (only && *only != target) {
      return false;
    }
    only = target;
    return true;
  };
  auto one = std::ranges::lower_bound(node.cases, fact->low, {}, &Case::high);
  for (; one != node.cases.end() && one->low <= fact->high; ++one) {
    if (one->low > next && !add(node.otherwise)) {
      return std::nullopt;
    }
    if (may_be_in(node.value, std::max(one->low, fact->low), std::min(one->high, fact->high))
            ? !add(one->target)
            : !add(node.otherwise)) {
      return std::nullopt;
    }
    next = std::uint64_t{one->high} + 1;
  }
  if (next <= fact->high && !add(node.otherwise)) {
    return std::nullopt;
  }
  return only;
}

std::optional<NodeId> Facts::decide_fits(const Values& values, const Fits& node) const {
  if (!node.index) {
    if (node.end <= length_low_) {
      return node.if_inside;
    }
    return node.end > length_high_ ? std::optional(node.if_outside) : std::nullopt;
  }
  if (node.end - node.begin > length_high_) {
    return node.if_outside;
  }
  const std::int64_t index_max = values.max(*node.index);
  if (node.begin >= 0) {
    // Offsets count upwards from the packet's start: no wrap as long as the index is small.
    const ValueFact* fact = find(*node.index);
    const std::int64_t most =
        fact != nullptr ? std::min<std::int64_t>(fact->high, index_max) : index_max;
    if (most + node.end <= length_low_) {
      return node.if_inside;
    }
  }
  for (const SpanFact& span : spans_) {
    if (span.index != *node.index || node.begin < span.begin) {
      continue;
    }
    if (node.end <= span.inside_end) {
      return node.if_inside;
    }
    // From a place that is inside offsets cannot wrap, so what ends later is outside too.
    const bool starts_inside = node.begin == span.begin || node.begin <= span.inside_end;
    if (span.has_outside && starts_inside && node.end >= span.outside_end) {
      return node.if_outside;
    }
  }
  return std::nullopt;
}

std::optional<NodeId> Facts::decide_bits(const AnyBit& node) const {
  const ValueFact* fact = find(node.value);
  if (fact == nullptr) {
    return std::nullopt;
  }
  if ((node.mask & ~fact->clear) == 0 ||
      (fact->low == fact->high && (fact->low & node.mask) == 0)) {
    return node.if_clear;
  }
  const bool is_set = (fact->any_of != 0 && (fact->any_of & ~node.mask) == 0) ||
                      (fact->low == fact->high && (fact->low & node.mask) != 0);
  return is_set ? std::optional(node.if_set) : std::nullopt;
}

std::optional<NodeId> Facts::decide(const Values& values, const Node& node) const {
  using Answer = std::optional<NodeId>;
  return std::visit(Overloaded{
                        [&](const Switch& n) { return decide_switch(n); },
                        [&](const AnyBit& n) { return decide_bits(n); },
                        [](const Compare&) { return Answer(); },
                        [&](const Fits& n) { return decide_fits(values, n); },
                        [](const SetPhi&) { return Answer(); },
                        [](const Call&) { return Answer(); },
                        [](const Return&) { return Answer(); },
                        [](const Forward& n) { return Answer(n.next); },
                    },
                    node);
}

std::pair<std::uint32_t, std::uint32_t> Facts::bounds(ValueId value) const {
  const ValueFact* fact = find(value);
  return fact != nullptr ? std::pair(fact->low, fact->high)
                         : std::pair(0U, std::numeric_limits<std::uint32_t>::max());
}

bool Facts::implies(const ValueFact& fact, const ValueFact& its, const Facts& other) const {
  return fact.low >= its.low && fact.high <= its.high && (its.clear & ~fact.clear) == 0 &&
         (its.any_of == 0 || its.any_of == fact.any_of) &&
         std::ranges::all_of(other.exclusions_, [&](const Exclusion& one) {
           return one.value != fact.value || one.number < fact.low || one.number > fact.high ||
                  is_excluded(one.value, one.number);
         });
}

std::optional<std::vector<ValueId>> Facts::values_known_less(const Facts& other) const {
  const bool is_less_of_bytes = std::ranges::any_of(other.spans_, [&](const SpanFact& span) {
    return std::ranges::find(spans_, span) == spans_.end();
  });
  if (length_low_ < other.length_low_ || length_high_ > other.length_high_ || is_less_of_bytes) {
    return std::nullopt;
  }
  std::vector<ValueId> less;
  for (const ValueFact& its : other.values_) {
    const ValueFact* fact = find(its.value);
    if (fact == nullptr || !implies(*fact, its, other)) {
      less.push_back(its.value);
    }
  }
  return less;
}

Facts Facts::meet(Facts left, const Facts& right) {
  left.length_high_ = std::max(left.length_high_, right.length_high_);
  left.length_low_ = std::min(left.length_low_, right.length_low_);
  const auto is_outside = [](const Exclusion& one, const ValueFact& fact) {
    return one.number < fact.low || one.number > fact.high;
  };
  std::erase_if(left.exclusions_, [&](const Exclusion& one) {
    const ValueFact* other = right.find(one.value);
    return other == nullptr ||
           (!right.is_excluded(one.value, one.number) && !is_outside(one, *other));
  });
  for (const Exclusion& one : right.exclusions_) {
    const ValueFact* fact = left.find(one.value);
    if (fact != nullptr && is_outside(one, *fact) && !left.is_excluded(one.value, one.number) &&
        left.count_excluded(one.value) < kMostExclusions) {
      left.exclusions_.push_back(one);
    }
  }
  std::erase_if(left.values_,
                [&](const ValueFact& fact) { return right.find(fact.value) == nullptr; });
  for (ValueFact& fact : left.values_) {
    const ValueFact& other = *right.find(fact.value);
    fact = {.value = fact.value,
            .low = std::min(fact.low, other.low),
            .high = std::max(fact.high, other.high),
            .clear = fact.clear & other.clear,
            .any_of = fact.any_of == 0 || other.any_of == 0 ? 0 : fact.any_of | other.any_of};
  }
  std::size_t kept = 0;
  for (const SpanFact& span : left.spans_) {
    // One of each at most: where several say something of the same bytes, pairs would multiply at each meeting.
    const auto starts_alike = [&](const SpanFact& other) {
      return span.index == other.index && span.begin == other.begin;
    };
    const auto other = std::ranges::find_if(right.spans_, starts_alike);
    if (other == right.spans_.end() ||
        std::any_of(left.spans_.begin(), left.spans_.begin() + static_cast<std::ptrdiff_t>(kept),
                    starts_alike)) {
      continue;
    }
    const bool outside = span.has_outside && other->has_outside;
    left.spans_[kept++] = {
        .index = span.index,
        .begin = span.begin,
        .inside_end = std::min(span.inside_end, other->inside_end),
        .outside_end = outside ? std::max(span.outside_end, other->outside_end) : 0,
        .has_outside = outside};
  }
  left.spans_.resize(kept);
  return left;
}

Facts facts_on_edge(const Values& values, const Node& node, std::size_t slot, Facts after) {
  std::visit(Overloaded{
                 [&](const Switch& n) {
                   const std::uint32_t max = values.max(n.value);
                   if (slot < n.cases.size()) {
                     after.learn_interval(n.value, n.cases[slot].low, n.cases[slot].high, max);
                     return;
                   }
                   for (const Case& one : n.cases) {
                     after.learn_not(n.value, one.low, one.high, max);
                   }
                 },
                 [&](const AnyBit& n) {
                   after.learn_any_bit(n.value, n.mask, slot == 0, values.max(n.value));
                 },
                 [](const Compare&) {},
                 [&](const Fits& n) { after.learn_fits(n.index, n.begin, n.end, slot == 0); },
                 [](const SetPhi&) {},
                 [](const Call&) {},
                 [](const Return&) {},
                 [](const Forward&) {},
             },
             node);
  return after;
}

}  // namespace cbpfc::optimizer

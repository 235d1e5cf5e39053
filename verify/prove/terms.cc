// SPDX-License-Identifier: BSD-3-Clause

#include "verify/prove/terms.h"

#include <algorithm>
#include <bit>
#include <string>

namespace cbpfc::prove {

unsigned width_of(const z3::expr& term) {
  return term.get_sort().bv_size();
}

std::uint64_t Terms::max_value(const z3::expr& term) {
  std::uint64_t value = 0;
  if (term.is_numeral_u64(value)) {
    return value;
  }
  const auto known = max_values_.find(term.id());
  if (known != max_values_.end()) {
    return known->second;
  }
  const std::uint64_t computed =
      std::min(compute_max(products_.meaning(term)), all_ones(width_of(term)));
  kept_.push_back(term);
  max_values_.emplace(term.id(), computed);
  return computed;
}

std::uint64_t Terms::compute_max(const z3::expr& term) {
  const std::uint64_t most = all_ones(width_of(term));
  if (!term.is_app()) {
    return most;
  }
  switch (term.decl().decl_kind()) {
    case Z3_OP_CONCAT: {
      std::uint64_t value = 0;
      for (unsigned i = 0; i < term.num_args(); ++i) {
        const z3::expr part = term.arg(i);
        value = width_of(part) == 64 ? max_value(part) : value << width_of(part) | max_value(part);
      }
      return value;
    }
    case Z3_OP_ZERO_EXT: return max_value(term.arg(0));
    case Z3_OP_EXTRACT:
      return term.lo() == 0 ? max_value(term.arg(0)) : max_value(term.arg(0)) >> term.lo();
    case Z3_OP_BADD: {
      std::uint64_t sum = 0;
      for (unsigned i = 0; i < term.num_args(); ++i) {
        const std::uint64_t part = max_value(term.arg(i));
        if (part > most - sum) {
          return most;  // it may wrap
        }
        sum += part;
      }
      return sum;
    }
    case Z3_OP_BMUL: {
      std::uint64_t product = 1;
      for (unsigned i = 0; i < term.num_args(); ++i) {
        const std::uint64_t part = max_value(term.arg(i));
        if (part != 0 && product > most / part) {
          return most;
        }
        product *= part;
      }
      return product;
    }
    case Z3_OP_BAND: {
      std::uint64_t value = most;
      for (unsigned i = 0; i < term.num_args(); ++i) {
        value = std::min(value, max_value(term.arg(i)));
      }
      return value;
    }
    case Z3_OP_BUDIV:  // by 0 it is the largest number there is
      return term.arg(1).is_numeral() ? max_value(term.arg(0)) / max_value(term.arg(1)) : most;
    case Z3_OP_BUREM: {
      std::uint64_t divisor = 0;
      return term.arg(1).is_numeral_u64(divisor) && divisor != 0
                 ? std::min(max_value(term.arg(0)), divisor - 1)
                 : max_value(term.arg(0));
    }
    case Z3_OP_BLSHR: return max_value(term.arg(0));
    case Z3_OP_ITE: return std::max(max_value(term.arg(1)), max_value(term.arg(2)));
    default: return most;
  }
}

z3::expr Terms::low(const z3::expr& term, unsigned bits) {
  if (width_of(term) <= bits) {
    return term;
  }
  const std::uint64_t key = std::uint64_t{term.id()} << 8 | bits;
  const auto known = lows_.find(key);
  if (known != lows_.end()) {
    return known->second;
  }
  kept_.push_back(term);
  z3::expr computed = compute_low(term, bits);
  lows_.emplace(key, computed);
  return computed;
}

/// The low bits of a sum are the sum of low bits, and so for whatever carries only upwards.
z3::expr Terms::compute_low(const z3::expr& term, unsigned bits) {
  const auto fold = [&](auto combine) {
    z3::expr result = low(term.arg(0), bits);
    for (unsigned i = 1; i < term.num_args(); ++i) {
      result = combine(result, low(term.arg(i), bits));
    }
    return result.simplify();
  };
  if (term.is_app()) {
    switch (term.decl().decl_kind()) {
      case Z3_OP_BADD: return fold([](const z3::expr& a, const z3::expr& b) { return a + b; });
      case Z3_OP_BMUL: return fold([](const z3::expr& a, const z3::expr& b) { return a * b; });
      case Z3_OP_ITE: return z3::ite(term.arg(0), low(term.arg(1), bits), low(term.arg(2), bits));
      default: break;
    }
  }
  return extract(term, bits - 1, 0);
}

namespace {

z3::expr build(Comparison comparison, const z3::expr& left, const z3::expr& right) {
  switch (comparison) {
    case Comparison::Equal: return left == right;
    case Comparison::Less: return z3::ult(left, right);
    case Comparison::LessEqual: return z3::ule(left, right);
    case Comparison::SignedLess: return z3::slt(left, right);
    case Comparison::SignedLessEqual: return z3::sle(left, right);
    case Comparison::AnyBitSet: return (left & right) != 0;
  }
  return left == right;
}

Comparison without_sign(Comparison comparison) {
  switch (comparison) {
    case Comparison::SignedLess: return Comparison::Less;
    case Comparison::SignedLessEqual: return Comparison::LessEqual;
    default: return comparison;
  }
}

}  // namespace

z3::expr Terms::compare(Comparison comparison, const z3::expr& left, const z3::expr& right) {
  const std::uint64_t most = std::max(max_value(left), max_value(right));
  const auto bits = static_cast<unsigned>(std::max(1, static_cast<int>(std::bit_width(most))));
  const unsigned width = width_of(left);
  if (bits >= width) {  // a sign bit may be set
    return build(comparison, left, right).simplify();
  }
  return build(without_sign(comparison), low(left, bits), low(right, bits)).simplify();
}

z3::expr Terms::both(const z3::expr& left, const z3::expr& right) {
  if (left.is_true() || right.is_false()) {
    return right;
  }
  return right.is_true() || left.is_false() ? left : left && right;
}

z3::expr Terms::negation(const z3::expr& condition) {
  if (condition.is_true() || condition.is_false()) {
    return truth(condition.is_false());
  }
  return condition.is_not() ? condition.arg(0) : !condition;
}

z3::expr Terms::any(const std::vector<z3::expr>& conditions) {
  z3::expr_vector open(context_);
  for (const z3::expr& condition : conditions) {
    if (condition.is_true()) {
      return condition;
    }
    if (!condition.is_false()) {
      open.push_back(condition);
    }
  }
  return open.empty() ? truth(false) : open.size() == 1 ? open[0] : z3::mk_or(open);
}

z3::expr Terms::define(const z3::expr& condition) {
  if (condition.is_true() || condition.is_false() || condition.is_const()) {
    return condition;
  }
  const z3::expr name = context_.bool_const(("c" + std::to_string(definitions_.size())).c_str());
  definitions_.push_back(name == condition);
  return name;
}

z3::expr Terms::choose(const std::vector<z3::expr>& conditions,
                       const std::vector<z3::expr>& values) {
  std::vector<std::size_t> distinct;  // the first of each value
  std::vector<std::vector<z3::expr>> when;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto same = std::ranges::find_if(
        distinct, [&](std::size_t other) { return z3::eq(values[other], values[i]); });
    if (same == distinct.end()) {
      distinct.push_back(i);
      when.push_back({conditions[i]});
    } else {
      when[static_cast<std::size_t>(same - distinct.begin())].push_back(conditions[i]);
    }
  }
  // The value with the most conditions is what is left when no other applies.
  const auto most = std::ranges::max_element(when, {}, &std::vector<z3::expr>::size);
  z3::expr result = values[distinct[static_cast<std::size_t>(most - when.begin())]];
  for (std::size_t i = 0; i < distinct.size(); ++i) {
    if (when.begin() + static_cast<std::ptrdiff_t>(i) != most) {
      result = z3::ite(any(when[i]), values[distinct[i]], result);
    }
  }
  return result;
}

}  // namespace cbpfc::prove

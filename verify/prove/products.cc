// SPDX-License-Identifier: BSD-3-Clause

#include "verify/prove/products.h"

#include <bit>
#include <string>

#include "verify/prove/terms.h"

namespace cbpfc::prove {
namespace {

z3::expr build(Product op, const z3::expr& left, const z3::expr& right) {
  switch (op) {
    case Product::Multiply: return left * right;
    case Product::Divide: return z3::udiv(left, right);
    case Product::Remainder: return z3::urem(left, right);
  }
  return left;
}

/// By a power of two.
z3::expr build_shift(Product op, const z3::expr& left, std::uint64_t right) {
  z3::context& context = left.ctx();
  const unsigned width = width_of(left);
  const auto number = [&](std::uint64_t n) {
    return context.bv_val(static_cast<uint64_t>(n), width);
  };
  const auto shift = static_cast<std::uint64_t>(std::countr_zero(right));
  switch (op) {
    case Product::Multiply: return z3::shl(left, number(shift));
    case Product::Divide: return z3::lshr(left, number(shift));
    case Product::Remainder: return left & number(right - 1);
  }
  return left;
}

}  // namespace

z3::expr Products::make(Product op, const z3::expr& left, const z3::expr& right) {
  std::uint64_t constant = 0;
  if (op == Product::Multiply &&
      (left.is_numeral() || (!right.is_numeral() && left.id() > right.id()))) {
    return left.is_numeral() && right.is_numeral() ? (left * right).simplify()
                                                   : make(op, right, left);
  }
  if (left.is_numeral() && right.is_numeral()) {
    return build(op, left, right).simplify();
  }
  if (right.is_numeral_u64(constant) && std::has_single_bit(constant)) {
    return build_shift(op, left, constant).simplify();
  }
  if (right.is_numeral_u64(constant) && constant == 0) {
    return build(op, left, right).simplify();
  }
  const auto [number, is_new] =
      numbers_.emplace(std::tuple(op, left.id(), right.id()), entries_.size());
  if (is_new) {
    const std::string name = "m" + std::to_string(entries_.size());
    const z3::expr variable = context_.bv_const(name.c_str(), width_of(left));
    variables_.emplace(variable.id(), entries_.size());
    entries_.push_back({.op = op,
                        .left = left,
                        .right = right,
                        .variable = variable,
                        .definition = build(op, left, right)});
  }
  return entries_[number->second].variable;
}

z3::expr Products::meaning(const z3::expr& term) const {
  const auto entry = variables_.find(term.id());
  return entry == variables_.end() ? term : entries_[entry->second].definition;
}

std::vector<z3::expr> Products::contradictions(const z3::model& model) {
  std::vector<z3::expr> unequal;
  std::vector<std::size_t> wrong;
  const auto value = [&](const z3::expr& term) { return model.eval(term, true).as_uint64(); };
  std::map<std::tuple<Product, unsigned, std::uint64_t, std::uint64_t>, std::size_t> firsts;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    const std::uint64_t result = value(entry.variable);
    const auto [first, is_new] = firsts.emplace(
        std::tuple(entry.op, width_of(entry.variable), value(entry.left), value(entry.right)), i);
    const Entry& other = entries_[first->second];

    if (!is_new && value(other.variable) != result) {
      unequal.push_back(z3::implies(entry.left == other.left && entry.right == other.right,
                                    entry.variable == other.variable));
    } else if (!entry.defined && value(entry.definition) != result) {
      wrong.push_back(i);
    }
  }
  if (unequal.empty()) {
    for (const std::size_t i : wrong) {
      entries_[i].defined = true;
      unequal.push_back(entries_[i].variable == entries_[i].definition);
    }
  }
  return unequal;
}

}  // namespace cbpfc::prove

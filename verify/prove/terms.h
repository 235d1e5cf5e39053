// SPDX-License-Identifier: BSD-3-Clause
//
// Bit-vector terms in one form.
//
// The prover is fast because most of what two programs compute becomes the same term, which the solver
// then never has to look into.  This is where that is arranged: constants are folded, byte swaps
// and masks become concatenations of bytes, and comparisons are done on as few bits as their sides
// can have, whatever width the program used:
//
//     zext64(concat(p12, p13)) + 14 <=u zext64(len)    becomes    18-bit sums compared
//
// Z3 is asked to simplify each new term; what this file adds are upper bounds of terms.
// Tested by: prove_test.cc and, for never proving what is wrong, mutation_test.cc.

#pragma once

#include <z3++.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "verify/prove/products.h"

namespace cbpfc::prove {

enum class Comparison : std::uint8_t {
  Equal,
  Less,
  LessEqual,
  SignedLess,
  SignedLessEqual,
  AnyBitSet,
};

class Terms {
 public:
  explicit Terms(z3::context& context) : context_(context), products_(context) {}

  z3::context& context() { return context_; }

  z3::expr number(std::uint64_t value, unsigned bits) {
    return context_.bv_val(static_cast<uint64_t>(value), bits);
  }
  z3::expr truth(bool value) { return context_.bool_val(value); }

  /// The largest number `term` can be, as far as its form shows.
  std::uint64_t max_value(const z3::expr& term);

  /// The low `bits` of `term`, which may have fewer; simplified.
  z3::expr low(const z3::expr& term, unsigned bits);

  z3::expr extract(const z3::expr& term, unsigned high, unsigned low_bit) {
    return term.extract(high, low_bit).simplify();
  }

  z3::expr product(Product op, const z3::expr& left, const z3::expr& right) {
    return products_.make(op, left, right);
  }
  Products& products() { return products_; }

  /// `left` compared with `right`, both of the same width.
  z3::expr compare(Comparison comparison, const z3::expr& left, const z3::expr& right);

  z3::expr both(const z3::expr& left, const z3::expr& right);
  z3::expr negation(const z3::expr& condition);
  z3::expr any(const std::vector<z3::expr>& conditions);

  /// A name for a condition, so that what is built on it stays small; constants are their own.
  z3::expr define(const z3::expr& condition);

  /// The value whose condition holds; exactly one does.
  z3::expr choose(const std::vector<z3::expr>& conditions, const std::vector<z3::expr>& values);

  /// What define() stands for: true in every model.
  const std::vector<z3::expr>& definitions() const { return definitions_; }

 private:
  std::uint64_t compute_max(const z3::expr& term);
  z3::expr compute_low(const z3::expr& term, unsigned bits);

  z3::context& context_;
  Products products_;
  std::vector<z3::expr> definitions_;
  std::vector<z3::expr> kept_;  ///< keeps the ids below from being used again
  std::unordered_map<unsigned, std::uint64_t> max_values_;
  std::unordered_map<std::uint64_t, z3::expr> lows_;
};

/// The largest number of `bits` bits.
constexpr std::uint64_t all_ones(unsigned bits) {
  return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

unsigned width_of(const z3::expr& term);

}  // namespace cbpfc::prove

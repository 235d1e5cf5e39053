// SPDX-License-Identifier: BSD-3-Clause
//
// Products, quotients and remainders, which are what a solver of bits finds hardest.
//
// Each is a variable at first, of which nothing is known:
//
//     a * 127        m0
//
// Two programs that compute the same from the same then need no arithmetic to be compared.  When the
// solver finds a packet with which they differ, it is told what it got wrong: first that equal sides
// give equal results, and only when that is right, what the operation is.
//
// Powers of two are shifts and masks instead.

#pragma once

#include <z3++.h>

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

namespace cbpfc::prove {

enum class Product : std::uint8_t { Multiply, Divide, Remainder };

class Products {
 public:
  explicit Products(z3::context& context) : context_(context) {}

  /// `left` op `right`, on their common width.  Division by 0 gives what Z3 gives.
  z3::expr make(Product op, const z3::expr& left, const z3::expr& right);

  /// What a variable stands for, or the term itself.
  z3::expr meaning(const z3::expr& term) const;

  /// What `model` gets wrong about the variables; empty when it is right.
  std::vector<z3::expr> contradictions(const z3::model& model);

 private:
  struct Entry {
    Product op;
    z3::expr left;
    z3::expr right;
    z3::expr variable;
    z3::expr definition;
    bool defined = false;  ///< the solver knows the definition
  };

  z3::context& context_;
  std::vector<Entry> entries_;
  std::map<std::tuple<Product, unsigned, unsigned>, std::size_t> numbers_;  ///< by ids of the sides
  std::map<unsigned, std::size_t> variables_;                               ///< id -> entry
};

}  // namespace cbpfc::prove

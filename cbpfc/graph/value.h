// SPDX-License-Identifier: BSD-3-Clause
//
// Values: what a filter computes from the packet, without saying when.
//
// A value is a constant, bytes of the packet, the packet's length, a word of the context, or arithmetic on values.  Nothing a
// classic program can do changes a packet, so a value is the same wherever it is asked for, and equal
// computations are one value:
//
//     ldh [12]; jeq ...; ldh [12]      one value, p16[12], asked for twice
//     ldb [14]; and #0xf; lsh #2; tax
//     ldx 4*([14]&0xf)                 the same value
//
// Values say nothing about whether the packet is long enough: that is a separate question in the graph
// (graph.h, Fits), asked before.
//
// Where paths with different values meet, the value behind is a Phi: a cell that each path sets.
//
// Tested by: value_test.cc.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/overloaded.h"
#include "cbpfc/graph/number_table.h"

namespace cbpfc::optimizer {

/// The largest value there is.
inline constexpr std::uint32_t kMostU32 = 0xffffffff;

using ValueId = std::uint32_t;

struct Constant {
  std::uint32_t value;
  bool operator==(const Constant&) const = default;
};
/// The big-endian number at index + offset (modulo 2^32), or at offset.
struct PacketLoad {
  Size size;
  std::optional<ValueId> index;
  std::uint32_t offset;
  bool operator==(const PacketLoad&) const = default;
};
struct PacketLength {
  bool operator==(const PacketLength&) const = default;
};
struct Arithmetic {
  AluOp op;
  ValueId left;
  ValueId right;
  bool operator==(const Arithmetic&) const = default;
};
/// The 32 bits at `offset` of the struct xdp_md.
struct ContextWord {
  std::uint32_t offset;
  bool operator==(const ContextWord&) const = default;
};
/// What the SetPhi or Call node on the way here has put into cell `number`.
struct Phi {
  std::uint32_t number;
  bool operator==(const Phi&) const = default;
};
using Value = std::variant<Constant, PacketLoad, PacketLength, Arithmetic, ContextWord, Phi>;

/// Calls `f` with a reference to each value that `value` is computed from: none, one or two.
template <typename V, typename F>
void for_each_operand(V& value, F&& f) {
  std::visit(Overloaded{
                 [](Like<V, Constant>&) {},
                 [&](Like<V, PacketLoad>& v) {
                   if (v.index) {
                     f(*v.index);
                   }
                 },
                 [](Like<V, PacketLength>&) {},
                 [](Like<V, ContextWord>&) {},
                 [&](Like<V, Arithmetic>& v) {
                   f(v.left);
                   f(v.right);
                 },
                 [](Like<V, Phi>&) {},
             },
             value);
}

/// All values of one compilation.  An operand's number is lower than its user's.
class Values {
 public:
  ValueId constant(std::uint32_t k) { return add(Constant{k}); }
  ValueId load(Size size, std::optional<ValueId> index, std::uint32_t offset);
  ValueId length() { return add(PacketLength{}); }
  /// op on values, simplified.  Shifts take the low five bits; a division by 0, never reached, is 0.
  ValueId arithmetic(AluOp op, ValueId left, ValueId right);
  ValueId context(std::uint32_t offset) { return add(ContextWord{offset}); }
  ValueId new_phi() { return add(Phi{phis_++}); }
  /// The value as it is, unless an equal one is there.
  ValueId add(const Value& value);

  const Value& operator[](ValueId id) const { return values_[id]; }
  std::size_t size() const { return values_.size(); }
  std::uint32_t phis() const { return phis_; }

  /// `left` op `k`, if a value is that.
  struct WithConstant {
    AluOp op;
    ValueId left;
    std::uint32_t k;
  };
  std::optional<WithConstant> with_constant(ValueId id) const;
  /// The constant a value is, if it is one.
  std::optional<std::uint32_t> known(ValueId id) const;
  /// The number of the cell a value is, which is a Phi.
  std::uint32_t cell(ValueId phi) const { return std::get<Phi>(values_[phi]).number; }
  /// The largest number the value can be.
  std::uint32_t max(ValueId id) const { return max_[id]; }
  /// The values of for_each_operand().
  std::vector<ValueId> operands(ValueId id) const;
  /// What a value is called that is nested too deeply to be printed in its user.
  using Namer = std::function<std::string(ValueId)>;
  /// Notation: "p16[12]", "p8[(p8[14] & 0xf) + 2]".
  std::string print(ValueId id, const Namer& name, int depth = 6) const;
  std::string print(ValueId id, int depth = 6) const;

 private:
  std::optional<ValueId> simplify(AluOp op, ValueId left, ValueId right);
  std::optional<ValueId> simplify_mask(ValueId left, std::uint32_t mask);
  std::uint32_t max_of(const Value& value) const;

  std::vector<Value> values_;
  std::vector<std::uint32_t> max_;
  NumberTable known_;
  std::uint32_t phis_ = 0;
};

/// Whether `mask` is ones from the highest bit of a number up to `max` down, and zeros below.
bool is_prefix_mask(std::uint32_t mask, std::uint32_t max);

/// All bits a number up to `max` can have.
std::uint32_t bits_of(std::uint32_t max);

}  // namespace cbpfc::optimizer

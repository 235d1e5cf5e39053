// SPDX-License-Identifier: BSD-3-Clause
//
// What lies in which register while code is emitted.
//
// A value can be computed again wherever it is wanted, so a register is a cache: a value stays as long as
// there is room, and the one that will be wanted last makes way.  Where paths meet, what lies in the same
// register on all of them is still there.
//
// Besides values there are pointers, packet_start + (index + base) + shift, of which a comparison with the
// packet's end has shown how many bytes may be read.  A pointer is moved to the end of what is to be shown,
// compared there, and used from there with negative offsets; so it needs no copy.
//
// Tested by: emit_graph_test.cc.

#pragma once

#include <cbpfc/ebpf.h>

#include <array>
#include <optional>
#include <vector>

#include "cbpfc/graph/question.h"

namespace cbpfc::optimizer {

/// What one register holds.
struct Held {
  enum class Kind : std::uint8_t {
    Nothing,
    Number,   ///< the value `value`
    Pointer,  ///< packet_start + (the index `value` + base, modulo 2^32) + shift
    Start,    ///< packet_start + shift
  };
  Kind kind = Kind::Nothing;
  ValueId value = 0;
  std::int64_t base = 0;
  std::int64_t shift = 0;
  std::int64_t begin = 0;  ///< Pointer: the bytes shown to be there, relative to the index
  std::int64_t end = 0;
  bool is_pinned_down = false;  ///< Number: an equal comparison told the verifier which it is

  bool is_value(ValueId id) const { return kind == Kind::Number && value == id; }
  bool is_pointer(ValueId index) const { return kind == Kind::Pointer && value == index; }
  /// Whether the register itself has the same content.
  bool is_same(const Held& other) const {
    return kind == other.kind && value == other.value && base == other.base && shift == other.shift;
  }
};

/// What is known at one place of the code.
struct MachineState {
  std::array<Held, 10> held = {};  ///< by register number
  std::uint32_t bytes_proven = 0;  ///< from packet_start

  /// What holds on both ways.
  static MachineState meet(const MachineState& left, const MachineState& right);
};

/// Where values and pointers will be wanted, as positions in the order of emission.
class Uses {
 public:
  Uses(const Graph& graph, const std::vector<NodeId>& order);

  static constexpr std::size_t kNever = ~std::size_t{0};
  /// The first position from `position` on that wants what `held` is.
  std::size_t next(const Held& held, std::size_t position) const;
  /// The first position behind `position` that wants a value.
  std::size_t next_value(ValueId value, std::size_t position) const {
    return next_in(values_[value], position + 1);
  }

 private:
  void want(ValueId value, std::size_t position);
  void want_pointer(ValueId index, std::size_t position);
  /// The first of `positions` that is at least `from`.
  static std::size_t next_in(const std::vector<std::size_t>& positions, std::size_t from);

  const Graph& graph_;
  std::vector<std::vector<std::size_t>> values_;
  std::vector<std::vector<std::size_t>> pointers_;  ///< by index value
  std::vector<std::size_t> guards_;                 ///< comparisons of packet_start + something
};

/// What it takes to compute a value of which no part lies in a register.
struct Effort {
  std::uint32_t registers = 1;  ///< at a time
  std::uint32_t parts = 1;      ///< values that are computed
  std::uint32_t cells = 0;      ///< cells among them
};

/// Of two operands the one that takes more registers is computed first (Sethi and Ullman, 1970), so that a chain of
/// sums takes two however long it is, and a balanced tree one more for each level.
class Efforts {
 public:
  /// `values` may grow.
  Efforts(const Values& values, const PacketRules& rules) : values_(values), rules_(rules) {}

  const Effort& of(ValueId value);

 private:
  Effort compute(ValueId value) const;

  const Values& values_;
  PacketRules rules_;
  std::vector<Effort> efforts_;
};

}  // namespace cbpfc::optimizer

// SPDX-License-Identifier: BSD-3-Clause
//
// What is known of the values in registers and on the stack at one point of an eBPF program: value numbering, as
// tail_call_use.h needs it.
//
// Two places hold the same value, in their low 32 bits, if their Values are equal and known.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace xdpcap {

/// A value, of which the low 32 bits count.  `number` is: of Constant, those bits; of Symbol, the symbol; of Map, its
/// id; of Frame, the offset from the frame pointer.
struct Value {
  enum class Kind : std::uint8_t {
    Unknown,  ///< equal to nothing, itself included
    Constant,
    Symbol,  ///< some number
    Map,     ///< the address of a map
    Frame,   ///< an address on the stack
  };
  Kind kind = Kind::Unknown;
  bool is_shifted = false;  ///< the value is 32 bits to the left; of Constant and Symbol
  std::uint64_t number = 0;

  bool operator==(const Value&) const = default;
  bool is(Kind wanted) const { return kind == wanted && !is_shifted; }
};

/// Whether both are known and have the same low 32 bits.
bool is_same(const Value& a, const Value& b);
/// Whether both are constants, and differ there.
bool is_different(const Value& a, const Value& b);

/// Where ways met that gave a place different values, of which this is one, shifted or not; nullopt: it is not such a symbol.
std::optional<std::size_t> meeting_point(const Value& value);

/// The values at one point of one function.
class ValueState {
 public:
  /// Registers 0 to 10, the one that only the kernel uses (11), and the index of the tail call that is followed.
  static constexpr std::size_t kIndex = 12;
  static constexpr std::size_t kPlaces = 13;
  static constexpr std::size_t kFrame = 10;

  const Value& operator[](std::size_t place) const { return places_[place]; }
  void set(std::size_t place, const Value& value) { places_[place] = value; }

  /// Gives `place` a symbol that nothing else has.  `point` is the instruction that makes the value.
  void set_new(std::size_t place, std::size_t point);

  /// Stores to and loads from the stack.  A load of a slot nothing is known of gives it a symbol.
  void store(std::int64_t offset, unsigned size_bytes, const Value& value);
  void load(std::size_t place, std::int64_t offset, unsigned size_bytes, std::size_t point);
  /// The stack may have been written to anywhere.
  void forget_stack() { stack_.clear(); }

  /// `symbol` is known to be this constant from here on.
  void refine(const Value& symbol, std::uint32_t constant);

  /// Makes this what holds whether control comes from here or from `other`, at the instruction `point`.
  /// Returns whether anything changed.
  bool merge(const ValueState& other, std::size_t point);

 private:
  struct Slot {
    unsigned size_bytes = 0;
    Value value;
    bool operator==(const Slot&) const = default;
  };

  template <typename Use>
  void for_each(const Use& use);

  std::array<Value, kPlaces> places_{};
  std::map<std::int64_t, Slot> stack_;  ///< by offset from the frame pointer
};

}  // namespace xdpcap

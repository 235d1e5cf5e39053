// SPDX-License-Identifier: BSD-3-Clause
//
// What a register or a piece of the stack holds while all paths of eBPF are followed at once.
//
// Kinds are static: a register that holds a pointer on one path and a number, or nothing, on another
// has one of the kinds where the paths meet, and must not be read by a packet that took the other path.

#pragma once

#include <z3++.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "verify/prove/gates.h"
#include "verify/prove/terms.h"

namespace cbpfc::prove {

enum class Kind : std::uint8_t { Unreadable, Number, Packet, PacketEnd, Stack, Context };

struct Value {
  Kind kind = Kind::Unreadable;
  std::optional<z3::expr> term = std::nullopt;  ///< 64 bits; Number: its value, Packet: the offset
  std::int64_t offset = 0;                      ///< Stack: from R10, Context: from its start
  std::optional<z3::expr> unreadable = std::nullopt;  ///< when it is not of this kind, or nothing

  bool is_number() const { return kind == Kind::Number; }
  bool in_packet() const { return kind == Kind::Packet || kind == Kind::PacketEnd; }
};

inline Value number_value(z3::expr term) {
  return {.kind = Kind::Number, .term = std::move(term)};
}

bool same(const Value& left, const Value& right);
std::string_view name_of(Kind kind);

/// The value of the edge that was taken.
Value choose(Terms& terms, const Meeting& meeting, const std::vector<Value>& values);

/// The stack below R10, as the pieces that were written.
class SymbolicStack {
 public:
  struct Piece {
    unsigned bytes;
    Value value;  ///< numbers: only the low `bytes` bytes count
  };

  /// Requires: the access is on the stack and aligned.
  void store(Terms& terms, std::int64_t at, unsigned bytes, const Value& value);

  /// Unreadable when a byte was not written, or is one of a pointer that is not loaded whole.
  Value load(Terms& terms, std::int64_t at, unsigned bytes) const;

  /// The stack of the edge that was taken.
  static SymbolicStack choose(Terms& terms, const Meeting& meeting,
                              const std::vector<const SymbolicStack*>& stacks);

 private:
  const std::pair<const std::int64_t, Piece>* around(std::int64_t at) const;
  void split(Terms& terms, std::int64_t at);

  std::map<std::int64_t, Piece> pieces_;  ///< by offset from R10; they do not overlap
};

}  // namespace cbpfc::prove

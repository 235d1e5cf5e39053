// SPDX-License-Identifier: BSD-3-Clause

#include "prove/value.h"

#include <algorithm>

namespace cbpfc::prove {

bool same(const Value& left, const Value& right) {
  return left.kind == right.kind && left.offset == right.offset &&
         left.term.has_value() == right.term.has_value() &&
         (!left.term || z3::eq(*left.term, *right.term));
}

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::Unreadable: return "nothing that can be read";
    case Kind::Number: return "a number";
    case Kind::Packet: return "a pointer into the packet";
    case Kind::PacketEnd: return "the pointer behind the packet";
    case Kind::Stack: return "a pointer into the stack";
    case Kind::Context: return "a pointer into the context";
  }
  return "?";
}

Value choose(Terms& terms, const std::vector<z3::expr>& conditions,
             const std::vector<Value>& values) {
  const Value& first = values[0];
  if (std::ranges::all_of(values, [&](const Value& v) { return same(v, first); })) {
    return first;
  }
  std::vector<z3::expr> choices;
  for (const Value& value : values) {
    if (value.kind != first.kind || !value.term) {
      return {};
    }
    choices.push_back(*value.term);
  }
  return {.kind = first.kind, .term = terms.choose(conditions, choices)};
}

void SymbolicStack::store(Terms& terms, std::int64_t at, unsigned bytes, const Value& value) {
  for (std::int64_t i = at; i < at + bytes; ++i) {
    split(terms, i);
    pieces_.erase(i);
  }
  pieces_.insert_or_assign(at, Piece{.bytes = bytes, .value = value});
}

/// Breaks the piece around a byte into bytes, those of a pointer are lost.
void SymbolicStack::split(Terms& terms, std::int64_t at) {
  auto around = pieces_.upper_bound(at);
  if (around == pieces_.begin()) {
    return;
  }
  --around;
  const auto [start, piece] = *around;
  if (at >= start + piece.bytes || piece.bytes == 1) {
    return;
  }
  pieces_.erase(around);
  for (unsigned i = 0; i < piece.bytes && piece.value.is_number(); ++i) {
    const z3::expr part = terms.extract(*piece.value.term, 8 * i + 7, 8 * i);
    pieces_.insert_or_assign(
        start + i, Piece{.bytes = 1, .value = number_value(z3::zext(part, 56).simplify())});
  }
}

std::optional<z3::expr> SymbolicStack::byte(Terms& terms, std::int64_t at) const {
  auto around = pieces_.upper_bound(at);
  if (around == pieces_.begin()) {
    return std::nullopt;
  }
  --around;
  const auto& [start, piece] = *around;
  if (at >= start + piece.bytes || !piece.value.is_number()) {
    return std::nullopt;
  }
  const auto low_bit = static_cast<unsigned>(8 * (at - start));
  return terms.extract(*piece.value.term, low_bit + 7, low_bit);
}

std::optional<Value> SymbolicStack::load(Terms& terms, std::int64_t at, unsigned bytes) const {
  const auto whole = pieces_.find(at);
  if (whole != pieces_.end() && whole->second.bytes == bytes) {
    const Value& value = whole->second.value;
    if (!value.is_number() || bytes == 8) {
      return value;
    }
    return number_value(z3::zext(terms.low(*value.term, 8 * bytes), 64 - 8 * bytes).simplify());
  }
  std::optional<z3::expr> loaded;
  for (unsigned i = 0; i < bytes; ++i) {
    const auto next = byte(terms, at + i);
    if (!next) {
      return std::nullopt;
    }
    loaded = loaded ? z3::concat(*next, *loaded) : *next;
  }
  return number_value((bytes == 8 ? *loaded : z3::zext(*loaded, 64 - 8 * bytes)).simplify());
}

SymbolicStack SymbolicStack::choose(Terms& terms, const std::vector<z3::expr>& conditions,
                                    const std::vector<const SymbolicStack*>& stacks) {
  SymbolicStack merged;
  for (const auto& [at, piece] : stacks[0]->pieces_) {
    std::vector<Value> values;
    for (const SymbolicStack* stack : stacks) {
      const auto other = stack->pieces_.find(at);
      if (other == stack->pieces_.end() || other->second.bytes != piece.bytes) {
        break;
      }
      values.push_back(other->second.value);
    }
    if (values.size() < stacks.size()) {
      continue;
    }
    Value value = prove::choose(terms, conditions, values);
    if (value.kind != Kind::Unreadable) {
      merged.pieces_.emplace(at, Piece{.bytes = piece.bytes, .value = std::move(value)});
    }
  }
  return merged;
}

}  // namespace cbpfc::prove

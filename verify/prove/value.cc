// SPDX-License-Identifier: BSD-3-Clause

#include "verify/prove/value.h"

#include <algorithm>
#include <ranges>

namespace cbpfc::prove {

bool same(const Value& left, const Value& right) {
  return left.kind == right.kind && left.offset == right.offset &&
         left.term.has_value() == right.term.has_value() &&
         (!left.term || z3::eq(*left.term, *right.term)) && !left.unreadable && !right.unreadable;
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

namespace {

/// Whether two values can become one by choosing between their terms.
bool mix(const Value& left, const Value& right) {
  return left.kind == right.kind && left.offset == right.offset;
}

}  // namespace

Value choose(Terms& terms, const Meeting& meeting, const std::vector<Value>& values) {
  if (std::ranges::all_of(values, [&](const Value& v) { return same(v, values[0]); })) {
    return values[0];
  }
  const auto model =
      std::ranges::find_if(values, [](const Value& v) { return v.kind != Kind::Unreadable; });
  if (model == values.end()) {
    return {};
  }
  std::vector<z3::expr> choices;
  std::vector<z3::expr> bad;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool mixes = mix(values[i], *model);
    if (!mixes || values[i].unreadable) {
      const z3::expr& path = meeting.edges()[i].path;
      bad.push_back(mixes ? terms.both(path, *values[i].unreadable) : path);
    }
    if (model->term) {
      choices.push_back(mixes ? *values[i].term : *model->term);
    }
  }
  Value chosen = *model;
  chosen.unreadable = std::nullopt;
  if (model->term) {
    chosen.term = meeting.choose(choices);
  }
  if (!bad.empty()) {
    chosen.unreadable = terms.define(terms.any(bad));
  }
  return chosen;
}

void SymbolicStack::store(Terms& terms, std::int64_t at, unsigned bytes, const Value& value) {
  for (std::int64_t i = at; i < at + bytes; ++i) {
    split(terms, i);
    pieces_.erase(i);
  }
  pieces_.insert_or_assign(at, Piece{.bytes = bytes, .value = value});
}

const std::pair<const std::int64_t, SymbolicStack::Piece>* SymbolicStack::around(
    std::int64_t at) const {
  const auto behind = pieces_.upper_bound(at);
  if (behind == pieces_.begin()) {
    return nullptr;
  }
  const auto& found = *std::prev(behind);
  return at < found.first + found.second.bytes ? &found : nullptr;
}

/// Breaks the piece around a byte into bytes; those of a pointer are lost.
void SymbolicStack::split(Terms& terms, std::int64_t at) {
  const auto* found = around(at);
  if (found == nullptr || found->second.bytes == 1) {
    return;
  }
  const auto [start, piece] = *found;
  pieces_.erase(start);
  for (unsigned i = 0; i < piece.bytes && piece.value.is_number(); ++i) {
    const z3::expr part = terms.extract(*piece.value.term, 8 * i + 7, 8 * i);
    Value value = number_value(z3::zext(part, 56).simplify());
    value.unreadable = piece.value.unreadable;
    pieces_.insert_or_assign(start + i, Piece{.bytes = 1, .value = std::move(value)});
  }
}

Value SymbolicStack::load(Terms& terms, std::int64_t at, unsigned bytes) const {
  const auto whole = pieces_.find(at);
  if (whole != pieces_.end() && whole->second.bytes == bytes) {
    Value value = whole->second.value;
    if (value.is_number() && bytes < 8) {
      value.term = z3::zext(terms.low(*value.term, 8 * bytes), 64 - 8 * bytes).simplify();
    }
    return value;
  }
  std::optional<z3::expr> loaded;
  std::vector<z3::expr> bad;
  for (unsigned i = 0; i < bytes; ++i) {
    const auto* found = around(at + i);
    if (found == nullptr || !found->second.value.is_number()) {
      return {};
    }
    const Value& value = found->second.value;
    const auto low_bit = static_cast<unsigned>(8 * (at + i - found->first));
    const z3::expr next = terms.extract(*value.term, low_bit + 7, low_bit);
    loaded = loaded ? z3::concat(next, *loaded) : next;
    if (value.unreadable) {
      bad.push_back(*value.unreadable);
    }
  }
  Value value = number_value((bytes == 8 ? *loaded : z3::zext(*loaded, 64 - 8 * bytes)).simplify());
  if (!bad.empty()) {
    value.unreadable = terms.any(bad);
  }
  return value;
}

SymbolicStack SymbolicStack::choose(Terms& terms, const Meeting& meeting,
                                    const std::vector<const SymbolicStack*>& stacks) {
  SymbolicStack merged;
  for (const SymbolicStack* shape : stacks) {
    for (const auto& [at, piece] : shape->pieces_) {
      const auto bytes = std::views::iota(at, at + piece.bytes);
      if (std::ranges::any_of(bytes, [&](std::int64_t i) { return merged.around(i) != nullptr; })) {
        continue;
      }
      std::vector<Value> values;
      values.reserve(stacks.size());
      for (const SymbolicStack* stack : stacks) {
        values.push_back(stack->load(terms, at, piece.bytes));
      }
      merged.pieces_.emplace(
          at, Piece{.bytes = piece.bytes, .value = prove::choose(terms, meeting, values)});
    }
  }
  return merged;
}

}  // namespace cbpfc::prove

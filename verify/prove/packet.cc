// SPDX-License-Identifier: BSD-3-Clause

#include "verify/prove/packet.h"

#include <optional>

namespace cbpfc::prove {
namespace {

constexpr unsigned kOffsetBits = 16;
/// Loads through an offset that was chosen by conditions become choices between loads, up to here.
constexpr unsigned kMostChoices = 5;

std::uint64_t number_in(const z3::model& model, const z3::expr& term) {
  return model.eval(term, true).as_uint64();
}

/// The constants of a sum, and the rest.
std::pair<std::optional<z3::expr>, std::uint16_t> split(const z3::expr& offset16) {
  std::uint64_t value = 0;
  if (offset16.is_numeral_u64(value)) {
    return {std::nullopt, static_cast<std::uint16_t>(value)};
  }
  if (!offset16.is_app() || offset16.decl().decl_kind() != Z3_OP_BADD) {
    return {offset16, 0};
  }
  std::optional<z3::expr> rest;
  std::uint64_t sum = 0;
  for (unsigned i = 0; i < offset16.num_args(); ++i) {
    const z3::expr part = offset16.arg(i);
    if (part.is_numeral_u64(value)) {
      sum += value;
    } else {
      rest = rest ? *rest + part : part;
    }
  }
  return {rest, static_cast<std::uint16_t>(sum)};
}

}  // namespace

SymbolicPacket::SymbolicPacket(Terms& terms, std::uint32_t max_bytes, bool has_wire_length)
    : terms_(terms),
      length16_(terms.context().bv_const("length", kOffsetBits)),
      length64_(z3::zext(length16_, 64 - kOffsetBits).simplify()),
      wire_length32_(has_wire_length ? terms.context().bv_const("wire_length", 32)
                                     : z3::zext(length16_, 32 - kOffsetBits).simplify()),
      environment_{.ingress_ifindex = terms.context().bv_const("ingress_ifindex", 32),
                   .rx_queue_index = terms.context().bv_const("rx_queue_index", 32),
                   .processor_id = terms.context().bv_const("processor_id", 32),
                   .random = terms.context().bv_const("random", 32)} {
  if (max_bytes < all_ones(kOffsetBits)) {
    facts_.push_back(z3::ule(length16_, terms_.number(max_bytes, kOffsetBits)));
  }
  if (has_wire_length) {
    facts_.push_back(z3::ule(z3::zext(length16_, 32 - kOffsetBits), wire_length32_));
  }
}

z3::expr SymbolicPacket::contains(const z3::expr& offset64, unsigned bytes) {
  const z3::expr end = (offset64 + terms_.number(bytes, 64)).simplify();
  const z3::expr ends_inside = terms_.compare(Comparison::LessEqual, end, length64_);
  if (terms_.max_value(offset64) < all_ones(63)) {
    return ends_inside;  // the sum does not wrap
  }
  return terms_.both(ends_inside, terms_.compare(Comparison::LessEqual, offset64, length64_));
}

z3::expr SymbolicPacket::load_little(const z3::expr& offset64, unsigned count) {
  const z3::expr offset16 = terms_.low(offset64, kOffsetBits);
  z3::expr value = byte(offset16, 0);
  for (unsigned i = 1; i < count; ++i) {
    value = z3::concat(byte((offset16 + terms_.number(i, kOffsetBits)).simplify(), 0), value);
  }
  return value.simplify();
}

z3::expr SymbolicPacket::load_big(const z3::expr& offset64, unsigned count) {
  const z3::expr offset16 = terms_.low(offset64, kOffsetBits);
  z3::expr value = byte(offset16, 0);
  for (unsigned i = 1; i < count; ++i) {
    value = z3::concat(value, byte((offset16 + terms_.number(i, kOffsetBits)).simplify(), 0));
  }
  return value.simplify();
}

z3::expr SymbolicPacket::byte(const z3::expr& offset16, unsigned depth) {
  const auto [base, added] = split(offset16);
  if (base && base->is_ite() && depth < kMostChoices) {
    const z3::expr constant = terms_.number(added, kOffsetBits);
    return z3::ite(base->arg(0), byte((base->arg(1) + constant).simplify(), depth + 1),
                   byte((base->arg(2) + constant).simplify(), depth + 1));
  }
  return byte_variable(base ? *base : terms_.number(0, kOffsetBits), added);
}

z3::expr SymbolicPacket::byte_variable(const z3::expr& base16, std::uint16_t added) {
  const auto known = numbers_.find({base16.id(), added});
  if (known != numbers_.end()) {
    return bytes_[known->second].variable;
  }
  kept_.push_back(base16);
  const std::size_t base = bases_.emplace(base16.id(), bases_.size()).first->second;
  const std::string name = base16.is_numeral()
                               ? "p" + std::to_string(added)
                               : "q" + std::to_string(base) + "+" + std::to_string(added);
  const z3::expr variable = terms_.context().bv_const(name.c_str(), 8);
  numbers_.emplace(std::pair(base16.id(), added), bytes_.size());
  bytes_.push_back(
      {.variable = variable, .offset16 = (base16 + terms_.number(added, kOffsetBits)).simplify()});
  return variable;
}

std::vector<z3::expr> SymbolicPacket::contradictions(const z3::model& model) {
  std::vector<z3::expr> found;
  std::map<std::uint64_t, std::size_t> at;
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    const auto [first, is_new] = at.emplace(number_in(model, bytes_[i].offset16), i);
    const Byte& other = bytes_[first->second];
    if (!is_new && number_in(model, other.variable) != number_in(model, bytes_[i].variable)) {
      found.push_back(
          z3::implies(other.offset16 == bytes_[i].offset16, other.variable == bytes_[i].variable)
              .simplify());
    }
  }
  return found;
}

std::vector<std::uint8_t> SymbolicPacket::bytes(const z3::model& model) {
  std::vector<std::uint8_t> packet(number_in(model, length16_));
  for (const Byte& b : bytes_) {
    const std::uint64_t offset = number_in(model, b.offset16);
    if (offset < packet.size()) {
      packet[offset] = static_cast<std::uint8_t>(number_in(model, b.variable));
    }
  }
  return packet;
}

std::uint32_t SymbolicPacket::wire_length(const z3::model& model) {
  return static_cast<std::uint32_t>(number_in(model, wire_length32_));
}

}  // namespace cbpfc::prove

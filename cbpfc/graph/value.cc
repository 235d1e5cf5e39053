// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/graph/value.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace cbpfc::optimizer {
namespace {

std::uint32_t compute(AluOp op, std::uint32_t left, std::uint32_t right) {
  switch (op) {
    case AluOp::Add: return left + right;
    case AluOp::Sub: return left - right;
    case AluOp::Mul: return left * right;
    case AluOp::Div: return right == 0 ? 0 : left / right;
    case AluOp::Mod: return right == 0 ? 0 : left % right;
    case AluOp::Or: return left | right;
    case AluOp::And: return left & right;
    case AluOp::Xor: return left ^ right;
    case AluOp::Lsh: return left << (right & 31);
    case AluOp::Rsh: return left >> (right & 31);
  }
  std::unreachable();
}

bool commutes(AluOp op) {
  return op == AluOp::Add || op == AluOp::Mul || op == AluOp::Or || op == AluOp::And ||
         op == AluOp::Xor;
}

std::uint64_t hash_of(const Value& value) {
  const std::uint64_t seed = value.index() + 1;
  return std::visit(Overloaded{
                        [&](const Constant& v) { return mix(seed, v.value); },
                        [&](const PacketLoad& v) {
                          return mix(mix(mix(seed, static_cast<std::uint64_t>(v.size)), v.offset),
                                     v.index ? std::uint64_t{*v.index} + 1 : 0);
                        },
                        [&](const PacketLength&) { return seed; },
                        [&](const Arithmetic& v) {
                          return mix(mix(mix(seed, static_cast<std::uint64_t>(v.op)), v.left),
                                     v.right);
                        },
                        [&](const ContextWord& v) { return mix(seed, v.offset); },
                        [&](const Phi& v) { return mix(seed, v.number); },
                    },
                    value);
}

}  // namespace

bool is_prefix_mask(std::uint32_t mask, std::uint32_t max) {
  const std::uint32_t zeros = ~mask & bits_of(max);
  return (zeros & (zeros + 1)) == 0;
}

std::uint32_t bits_of(std::uint32_t max) {
  return max == 0 ? 0 : kMostU32 >> std::countl_zero(max);
}

ValueId Values::add(const Value& value) {
  const auto number = static_cast<ValueId>(values_.size());
  const ValueId found = known_.find_or_add(hash_of(value), number,
                                           [&](ValueId other) { return values_[other] == value; });
  if (found == number) {
    max_.push_back(max_of(value));
    values_.push_back(value);
  }
  return found;
}

std::uint32_t Values::max_of(const Value& value) const {
  return std::visit(
      Overloaded{
          [](const Constant& v) { return v.value; },
          [](const PacketLoad& v) { return kMostU32 >> (32 - 8 * static_cast<unsigned>(v.size)); },
          [](const PacketLength&) { return kMostU32; },
          [](const ContextWord&) { return kMostU32; },
          [](const Phi&) { return kMostU32; },
          [&](const Arithmetic& v) {
            const std::uint64_t left = max_[v.left];
            const std::uint64_t right = max_[v.right];
            const std::optional<std::uint32_t> k = known(v.right);
            const auto fits = [](std::uint64_t most) {
              return most > kMostU32 ? kMostU32 : static_cast<std::uint32_t>(most);
            };
            switch (v.op) {
              case AluOp::Add: return fits(left + right);
              case AluOp::Mul: return fits(left * right);
              case AluOp::And: return static_cast<std::uint32_t>(std::min(left, right));
              case AluOp::Or:
              case AluOp::Xor: return bits_of(static_cast<std::uint32_t>(left | right));
              case AluOp::Lsh: return k ? fits(left << *k) : kMostU32;
              case AluOp::Rsh: return static_cast<std::uint32_t>(k ? left >> *k : left);
              case AluOp::Div: return static_cast<std::uint32_t>(k ? left / *k : left);
              case AluOp::Mod:
                return static_cast<std::uint32_t>(right == 0 ? 0 : std::min(left, right - 1));
              case AluOp::Sub: return kMostU32;
            }
            std::unreachable();
          },
      },
      value);
}

std::optional<std::uint32_t> Values::known(ValueId id) const {
  const auto* constant = std::get_if<Constant>(&values_[id]);
  return constant != nullptr ? std::optional(constant->value) : std::nullopt;
}

std::optional<Values::WithConstant> Values::with_constant(ValueId id) const {
  const auto* it = std::get_if<Arithmetic>(&values_[id]);
  const auto k = it != nullptr ? known(it->right) : std::nullopt;
  return k ? std::optional(WithConstant{.op = it->op, .left = it->left, .k = *k}) : std::nullopt;
}

ValueId Values::load(Size size, std::optional<ValueId> index, std::uint32_t offset) {
  while (index) {
    if (const auto k = known(*index)) {
      offset += *k;
      index.reset();
      break;
    }
    const auto sum = with_constant(*index);
    if (!sum || sum->op != AluOp::Add) {
      break;
    }
    offset += sum->k;
    index = sum->left;
  }
  return add(PacketLoad{.size = size, .index = index, .offset = offset});
}

ValueId Values::arithmetic(AluOp op, ValueId left, ValueId right) {
  if (op == AluOp::Sub && known(right)) {
    return arithmetic(AluOp::Add, left, constant(0U - *known(right)));
  }
  if ((op == AluOp::Lsh || op == AluOp::Rsh) && known(right).value_or(0) > 31) {
    return arithmetic(op, left, constant(*known(right) & 31));
  }
  if (commutes(op) && (known(left) ? !known(right) : !known(right) && right < left)) {
    std::swap(left, right);
  }
  if (const auto simpler = simplify(op, left, right)) {
    return *simpler;
  }
  return add(Arithmetic{.op = op, .left = left, .right = right});
}

/// left & mask.
std::optional<ValueId> Values::simplify_mask(ValueId left, std::uint32_t mask) {
  const std::uint32_t bits = bits_of(max_[left]);
  if ((mask & bits) == bits) {
    return left;
  }
  if ((mask & bits) == 0) {
    return constant(0);
  }
  if (const auto inner = with_constant(left); inner && inner->op == AluOp::And) {
    return arithmetic(AluOp::And, inner->left, constant(mask & inner->k));
  }
  if (mask != (mask & bits)) {
    return arithmetic(AluOp::And, left, constant(mask & bits));
  }
  return std::nullopt;
}

std::optional<ValueId> Values::simplify(AluOp op, ValueId left, ValueId right) {
  const auto k = known(right);
  if (known(left) && k) {
    return constant(compute(op, *known(left), *k));
  }
  if (left == right) {
    switch (op) {
      case AluOp::Sub:
      case AluOp::Xor: return constant(0);
      case AluOp::And:
      case AluOp::Or: return left;
      default: return std::nullopt;
    }
  }
  if (!k) {
    return std::nullopt;
  }
  if (op == AluOp::And) {
    return simplify_mask(left, *k);
  }
  if (op == AluOp::Mul && std::has_single_bit(*k)) {
    return arithmetic(AluOp::Lsh, left, constant(static_cast<std::uint32_t>(std::countr_zero(*k))));
  }
  if (op == AluOp::Div && std::has_single_bit(*k)) {
    return arithmetic(AluOp::Rsh, left, constant(static_cast<std::uint32_t>(std::countr_zero(*k))));
  }
  if (*k == 0) {
    return op == AluOp::Mul || op == AluOp::Div || op == AluOp::Mod ? constant(0) : left;
  }
  if (op == AluOp::Rsh && max_[left] >> *k == 0) {
    return constant(0);
  }
  if (const auto sum = with_constant(left); op == AluOp::Add && sum && sum->op == AluOp::Add) {
    return arithmetic(AluOp::Add, sum->left, constant(*k + sum->k));
  }
  return std::nullopt;
}

std::vector<ValueId> Values::operands(ValueId id) const {
  std::vector<ValueId> all;
  for_each_operand(values_[id], [&](ValueId operand) { all.push_back(operand); });
  return all;
}

std::string Values::print(ValueId id, const Namer& name, int depth) const {
  static constexpr const char* kOps[] = {"+", "-", "*", "/", "|", "&", "<<", ">>", "%", "^"};
  const auto part = [&](ValueId operand) {
    const bool is_leaf = operands(operand).empty();
    return depth > 1 || is_leaf ? print(operand, name, depth - 1) : name(operand);
  };
  return std::visit(Overloaded{
                        [](const Constant& v) { return fmt::format("{:#x}", v.value); },
                        [&](const PacketLoad& v) {
                          const int bits = 8 * static_cast<int>(v.size);
                          return v.index ? fmt::format("p{}[{} + {}]", bits, part(*v.index),
                                                       static_cast<std::int32_t>(v.offset))
                                         : fmt::format("p{}[{}]", bits, v.offset);
                        },
                        [](const PacketLength&) { return std::string("length"); },
                        [&](const Arithmetic& v) {
                          return fmt::format("({} {} {})", part(v.left),
                                             kOps[static_cast<std::size_t>(v.op)], part(v.right));
                        },
                        [](const ContextWord& v) { return fmt::format("context[{}]", v.offset); },
                        [](const Phi& v) { return fmt::format("phi{}", v.number); },
                    },
                    values_[id]);
}

std::string Values::print(ValueId id, int depth) const {
  return print(id, [](ValueId part) { return fmt::format("v{}", part); }, depth);
}

}  // namespace cbpfc::optimizer

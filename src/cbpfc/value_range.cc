// SPDX-License-Identifier: BSD-3-Clause

#include "value_range.h"

#include <algorithm>

#include "overloaded.h"

namespace cbpfc {
namespace {

constexpr std::uint32_t kUnknown = 0xffffffff;

std::uint32_t clamp(std::uint64_t value) {
  return value < kUnknown ? static_cast<std::uint32_t>(value) : kUnknown;
}

std::uint32_t after_load(Size size) {
  return size == Size::Byte ? 0xff : kUnknown;
}

std::uint32_t after_alu(const Alu& alu, const ValueRange& range) {
  const std::uint32_t right = alu.operand.is_x ? range.x_max : alu.operand.k;
  switch (alu.op) {
    case AluOp::Add: return clamp(std::uint64_t{range.a_max} + right);
    case AluOp::And: return std::min(range.a_max, right);
    case AluOp::Lsh:
      return alu.operand.is_x ? kUnknown : clamp(std::uint64_t{range.a_max} << right);
    case AluOp::Rsh: return alu.operand.is_x ? kUnknown : range.a_max >> right;
    case AluOp::Mul:  // the verifier gives up above 16 bits
      return range.a_max <= 0xffff && right <= 0xffff ? range.a_max * right : kUnknown;
    case AluOp::Sub:
    case AluOp::Div:
    case AluOp::Mod:
    case AluOp::Or:
    case AluOp::Xor: return kUnknown;
  }
  return kUnknown;
}

}  // namespace

ValueRange ValueRange::join(const ValueRange& left, const ValueRange& right) {
  return {.a_max = std::max(left.a_max, right.a_max), .x_max = std::max(left.x_max, right.x_max)};
}

ValueRange range_after(const Step& step, ValueRange before) {
  ValueRange after = before;
  const auto set = [&](Register r, std::uint32_t max) {
    (r == Register::A ? after.a_max : after.x_max) = max;
  };
  std::visit(Overloaded{
                 [&](const LoadImmediate& s) { set(s.dst, s.value); },
                 [&](const LoadAbsolute& s) { after.a_max = after_load(s.size); },
                 [&](const LoadIndirect& s) { after.a_max = after_load(s.size); },
                 [&](const LoadFromBase& s) { after.a_max = after_load(s.size); },
                 [&](const LoadHeaderLength&) { after.x_max = 60; },
                 [&](const LoadLength& s) { set(s.dst, kUnknown); },
                 [&](const LoadOpaque& s) { set(s.dst, kUnknown); },
                 [&](const LoadScratch& s) { set(s.dst, kUnknown); },
                 [&](const StoreScratch&) {},
                 [&](const Alu& s) { after.a_max = after_alu(s, before); },
                 [&](const Negate&) { after.a_max = kUnknown; },
                 [&](const Transfer& s) {
                   set(s.dst, s.dst == Register::X ? before.a_max : before.x_max);
                 },
                 [&](const AbsoluteGuard&) {},
                 [&](const IndirectGuard&) {},
                 [&](const DivisorGuard&) {},
             },
             step);
  return after;
}

ValueRange range_after(const Exit& exit, ValueRange before) {
  const auto* branch = std::get_if<Branch>(&exit);
  if (branch != nullptr && branch->condition == Condition::AnyBitSet) {
    before.a_max = kUnknown;
    if (branch->operand.is_x) {
      before.x_max = kUnknown;
    }
  }
  return before;
}

}  // namespace cbpfc

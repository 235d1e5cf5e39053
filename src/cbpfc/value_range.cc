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
    case AluOp::Mul:  // Linux 6.1 gives up on products of bounded values
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
                 [&](const LoadContext&) { after.a_max = kUnknown; },
                 [&](const CallHelper&) { after.a_max = kUnknown; },
                 [&](const StartLoop&) { after = {.a_max = kUnknown, .x_max = kUnknown}; },
                 [&](const CountTrip&) {},
                 [&](const DivisorGuard&) {},
             },
             step);
  return after;
}

ValueRange range_after(const Exit& exit, ValueRange before) {
  const auto* branch = std::get_if<Branch>(&exit);
  if (branch == nullptr) {
    return before;
  }
  if (branch->operand.is_x) {
    return {.a_max = kUnknown, .x_max = kUnknown};
  }
  const std::uint32_t k = branch->operand.k;
  switch (branch->condition) {
    case Condition::Equal: before.a_max = std::max(before.a_max, k); break;
    case Condition::Greater: before.a_max = k < before.a_max ? before.a_max : kUnknown; break;
    case Condition::GreaterEqual: before.a_max = k <= before.a_max ? before.a_max : kUnknown; break;
    case Condition::AnyBitSet: before.a_max = kUnknown; break;
  }
  return before;
}

}  // namespace cbpfc

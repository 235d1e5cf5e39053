// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/generators/walk.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/overloaded.h"
#include "verify/interpreter/machine.h"

namespace differential {
namespace {

using cbpfc::AluOp;
using cbpfc::Machine;
using cbpfc::Register;

/// Values longer in the making than this are taken for computed.
constexpr std::size_t kMostSteps = 8;

std::uint32_t compute(AluOp op, std::uint32_t left, std::uint32_t right) {
  switch (op) {
    case AluOp::Add: return left + right;
    case AluOp::Sub: return left - right;
    case AluOp::Mul: return left * right;
    case AluOp::Div: return right != 0 ? left / right : 0;
    case AluOp::Or: return left | right;
    case AluOp::And: return left & right;
    case AluOp::Lsh: return left << (right & 31);
    case AluOp::Rsh: return left >> (right & 31);
    case AluOp::Mod: return right != 0 ? left % right : 0;
    case AluOp::Xor: return left ^ right;
  }
  return 0;
}

/// A value near `left` that gives `wanted`, where there is one.
std::uint32_t uncompute(AluOp op, std::uint32_t left, std::uint32_t right, std::uint32_t wanted) {
  switch (op) {
    case AluOp::Add: return wanted - right;
    case AluOp::Sub: return wanted + right;
    case AluOp::Mul: return right != 0 ? wanted / right : left;
    case AluOp::Div: return wanted * right;
    case AluOp::Or:
    case AluOp::And: {
      const std::uint32_t free = op == AluOp::And ? right : ~right;
      return (left & ~free) | (wanted & free);
    }
    case AluOp::Lsh: return wanted >> (right & 31);
    case AluOp::Rsh: return wanted << (right & 31);
    case AluOp::Mod: return wanted;
    case AluOp::Xor: return wanted ^ right;
  }
  return left;
}

/// The origins of A, X and M[], and what each instruction does to them.
class Origins {
 public:
  /// Requires: `before` is about to run `insn`.
  void step(const cbpfc::Insn& insn, const Machine& before) {
    std::visit(cbpfc::Overloaded{
                   [&](const cbpfc::LoadImmediate& i) { reg(i.dst).reset(); },
                   [&](const cbpfc::LoadAbsolute& i) { a = loaded(i.offset, i.size); },
                   [&](const cbpfc::LoadIndirect& i) { a = loaded(before.x + i.offset, i.size); },
                   [&](const cbpfc::LoadHeaderLength& i) {
                     x = loaded(i.offset, cbpfc::Size::Byte);
                     x->steps = {{AluOp::And, 0xf}, {AluOp::Lsh, 2}};
                   },
                   [&](const cbpfc::LoadLength& i) { reg(i.dst) = Origin{.is_length = true}; },
                   [&](const cbpfc::LoadAncillary&) { a.reset(); },
                   [&](const cbpfc::LoadScratch& i) { reg(i.dst) = scratch[i.slot]; },
                   [&](const cbpfc::StoreScratch& i) { scratch[i.slot] = reg(i.src); },
                   [&](const cbpfc::Alu& i) { compute_with(i.op, before.value(i.operand)); },
                   [&](const cbpfc::Negate&) {
                     compute_with(AluOp::Xor, 0xffffffff);
                     compute_with(AluOp::Add, 1);
                   },
                   [&](const cbpfc::Transfer& i) { reg(i.dst) = i.dst == Register::X ? a : x; },
                   [](const cbpfc::Jump&) {},
                   [](const cbpfc::JumpIf&) {},
                   [](const cbpfc::ReturnA&) {},
                   [](const cbpfc::ReturnConstant&) {},
               },
               insn);
  }

  std::optional<Origin> a;
  std::optional<Origin> x;
  std::array<std::optional<Origin>, cbpfc::kScratchSlots> scratch;

 private:
  std::optional<Origin>& reg(Register r) { return r == Register::A ? a : x; }

  static Origin loaded(std::uint32_t offset, cbpfc::Size size) {
    return {.offset = offset, .size = static_cast<std::uint32_t>(size)};
  }

  void compute_with(AluOp op, std::uint32_t right) {
    if (a && a->steps.size() < kMostSteps) {
      a->steps.push_back({op, right});
    } else {
      a.reset();
    }
  }
};

bool is_inside(const Origin& load, const Packet& packet) {
  return load.offset <= packet.size() && load.size <= packet.size() - load.offset;
}

/// A left side for which the comparison comes out as not `flip.held`.
std::uint32_t flipped(const Flip& flip, Dice& dice) {
  switch (flip.condition) {
    case cbpfc::Condition::Equal:
      return flip.held ? flip.right ^ (1U << dice.below(8)) : flip.right;
    case cbpfc::Condition::Greater: return flip.held ? flip.right : flip.right + 1;
    case cbpfc::Condition::GreaterEqual: return flip.held ? flip.right - 1 : flip.right;
    case cbpfc::Condition::AnyBitSet:
      return flip.held ? ~flip.right : flip.right & (~flip.right + 1);
  }
  return 0;
}

std::uint32_t read(const Origin& load, const Packet& packet) {
  std::uint32_t value = 0;
  for (std::uint32_t i = 0; i < load.size; ++i) {
    value = value << 8 | packet[load.offset + i];
  }
  return value;
}

}  // namespace

Walk walk(const cbpfc::Filter& filter, const Packet& packet) {
  Walk result;
  Machine machine{.packet = packet, .wire_length_bytes = static_cast<std::uint32_t>(packet.size())};
  Origins origins;
  while (!machine.ended()) {
    const std::size_t pc = machine.pc;
    const cbpfc::Insn& insn = filter.insns()[pc];
    if (const auto* branch = std::get_if<cbpfc::JumpIf>(&insn)) {
      const std::uint32_t right = machine.value(branch->operand);
      const bool held = machine.holds(branch->condition, right);
      result.path.push_back(2 * pc + (held ? 1 : 0));
      if (origins.a) {
        result.flips.push_back(
            {.left = *origins.a, .condition = branch->condition, .right = right, .held = held});
      }
    }
    origins.step(insn, machine);
    const bool loads_a = std::holds_alternative<cbpfc::LoadAbsolute>(insn) ||
                         std::holds_alternative<cbpfc::LoadIndirect>(insn);
    const bool loads_x = std::holds_alternative<cbpfc::LoadHeaderLength>(insn);
    if (const Origin* load = loads_a   ? &*origins.a
                             : loads_x ? &*origins.x
                                       : nullptr;
        load != nullptr && is_inside(*load, packet)) {
      result.loads.push_back({.offset = load->offset, .size = load->size});
    }
    machine.step(filter);
  }
  result.matches = machine.result.value_or(0) != 0;
  return result;
}

void overwrite(const Origin& load, std::uint32_t value, Packet& packet) {
  if (!is_inside(load, packet)) {
    return;
  }
  for (std::uint32_t i = load.size; i-- > 0; value >>= 8) {
    packet[load.offset + i] = static_cast<std::uint8_t>(value);
  }
}

void apply(const Flip& flip, Dice& dice, Packet& packet) {
  constexpr std::size_t kMostBytes = 2000;
  const Origin& origin = flip.left;
  if (!origin.is_length && !is_inside(origin, packet)) {
    return;
  }
  // Forward to what each step gives now, then back from what it should give.
  std::vector<std::uint32_t> values = {origin.is_length ? static_cast<std::uint32_t>(packet.size())
                                                        : read(origin, packet)};
  for (const Origin::Step& step : origin.steps) {
    values.push_back(compute(step.op, values.back(), step.right));
  }
  std::uint32_t wanted = flipped(flip, dice);
  for (std::size_t i = origin.steps.size(); i-- > 0;) {
    wanted = uncompute(origin.steps[i].op, values[i], origin.steps[i].right, wanted);
  }
  if (origin.is_length) {
    packet.resize(std::min<std::size_t>(wanted, kMostBytes));
  } else {
    overwrite(origin, wanted, packet);
  }
}

}  // namespace differential

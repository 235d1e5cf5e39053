// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/generators/generator.h"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace differential {

using cbpfc::Insn;
using cbpfc::Register;

std::uint32_t Generator::constant() {
  static constexpr std::array<std::uint32_t, 24> kBoundaries = {
      0,      1,       2,          3,          4,          15,         16,         31,
      32,     63,      0x7f,       0x80,       0xff,       0x100,      0x7fff,     0x8000,
      0xffff, 0x10000, 0x01010101, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff};
  return one_in(4) ? static_cast<std::uint32_t>(random_()) : pick(kBoundaries);
}

std::uint32_t Generator::packet_offset() {
  static constexpr std::array<std::uint32_t, 12> kFar = {
      59, 60, 61, 95, 96, 0x7ffc, 0x8000, 0xfffc, 0xffff, 0x10000, 0x7fffffff, 0xffdfffff};
  return one_in(12) ? pick(kFar) : below(64);
}

std::uint32_t Generator::indirect_offset() {
  static constexpr std::array<std::uint32_t, 11> kOdd = {
      0xffffffff, 0xfffffffe, 0xfffffff0, 0xffffffd0, 0x80000005, 0x7fffffff,
      0x7ffe,     0x8000,     0xfff0,     0xffff,     0x10000};
  return one_in(8) ? pick(kOdd) : below(24);
}

cbpfc::Size Generator::size() {
  static constexpr std::array kSizes = {cbpfc::Size::Byte, cbpfc::Size::Half, cbpfc::Size::Word};
  return pick(kSizes);
}

cbpfc::Operand Generator::operand() {
  if (one_in(3)) {
    return {.is_x = true, .k = 0};
  }
  return {.is_x = false, .k = constant()};
}

Insn Generator::load() {
  switch (below(8)) {
    case 0: return cbpfc::LoadImmediate{.dst = Register::A, .value = constant()};
    case 1: return cbpfc::LoadLength{.dst = one_in(2) ? Register::A : Register::X};
    case 2:
    case 3:
    case 4: return cbpfc::LoadIndirect{.size = size(), .offset = indirect_offset()};
    default: return cbpfc::LoadAbsolute{.size = size(), .offset = packet_offset()};
  }
}

Insn Generator::set_x() {
  switch (below(5)) {
    case 0:
      return cbpfc::LoadImmediate{.dst = Register::X, .value = one_in(3) ? constant() : below(48)};
    case 1: return cbpfc::Transfer{.dst = Register::X};
    default: return cbpfc::LoadHeaderLength{.offset = packet_offset()};
  }
}

Insn Generator::arithmetic() {
  static constexpr std::array kOps = {cbpfc::AluOp::Add, cbpfc::AluOp::Sub, cbpfc::AluOp::Mul,
                                      cbpfc::AluOp::Div, cbpfc::AluOp::Or,  cbpfc::AluOp::And,
                                      cbpfc::AluOp::Lsh, cbpfc::AluOp::Rsh, cbpfc::AluOp::Mod,
                                      cbpfc::AluOp::Xor};
  if (one_in(12)) {
    return cbpfc::Negate{};
  }
  cbpfc::Alu alu{.op = pick(kOps), .operand = operand()};
  if (!alu.operand.is_x && (alu.op == cbpfc::AluOp::Lsh || alu.op == cbpfc::AluOp::Rsh)) {
    alu.operand.k = below(32);
  }
  if (!alu.operand.is_x && (alu.op == cbpfc::AluOp::Div || alu.op == cbpfc::AluOp::Mod)) {
    alu.operand.k = std::max(1U, alu.operand.k);
  }
  return alu;
}

Insn Generator::straight() {
  const std::uint32_t roll = below(100);
  if (roll < 40) {
    return load();
  }
  if (roll < 55) {
    return set_x();
  }
  if (roll < 80) {
    return arithmetic();
  }
  if (roll < 84) {
    return cbpfc::Transfer{.dst = Register::A};
  }
  if (roll < 92 || scratch_slots_ == 0) {
    return cbpfc::StoreScratch{.src = one_in(2) ? Register::A : Register::X,
                               .slot = static_cast<std::uint8_t>(below(cbpfc::kScratchSlots))};
  }
  return cbpfc::LoadScratch{.dst = one_in(2) ? Register::A : Register::X,
                            .slot = static_cast<std::uint8_t>(below(scratch_slots_))};
}

/// An instruction of the Address profile.
Insn Generator::address_step() {
  static constexpr std::array kOps = {cbpfc::AluOp::Add, cbpfc::AluOp::Sub, cbpfc::AluOp::Mul,
                                      cbpfc::AluOp::Lsh, cbpfc::AluOp::Rsh, cbpfc::AluOp::And,
                                      cbpfc::AluOp::Or,  cbpfc::AluOp::Xor};
  switch (below(12)) {
    case 0: return cbpfc::LoadAbsolute{.size = size(), .offset = below(40)};
    case 1: return cbpfc::LoadHeaderLength{.offset = below(40)};
    case 2:
      return cbpfc::LoadImmediate{.dst = one_in(2) ? Register::A : Register::X, .value = below(70)};
    case 3:
    case 4: return cbpfc::Transfer{.dst = Register::X};
    case 5: return cbpfc::Transfer{.dst = Register::A};
    case 6:
    case 7:
      return cbpfc::LoadIndirect{.size = size(),
                                 .offset = one_in(4) ? indirect_offset() : below(8)};
    case 8: return cbpfc::StoreScratch{.src = one_in(2) ? Register::A : Register::X, .slot = 1};
    default: {
      const cbpfc::AluOp op = pick(kOps);
      const bool shifts = op == cbpfc::AluOp::Lsh || op == cbpfc::AluOp::Rsh;
      if (!shifts && one_in(4)) {
        return cbpfc::Alu{.op = op, .operand = {.is_x = true, .k = 0}};
      }
      const std::uint32_t k = one_in(3) ? constant() : below(300);
      return cbpfc::Alu{.op = op, .operand = {.is_x = false, .k = shifts ? below(16) : k}};
    }
  }
}

/// A jump or return; `remaining` is the number of instructions behind it, at least 1.
Insn Generator::jump(std::size_t remaining) {
  static constexpr std::array kConditions = {cbpfc::Condition::Equal, cbpfc::Condition::Greater,
                                             cbpfc::Condition::GreaterEqual,
                                             cbpfc::Condition::AnyBitSet};
  const auto reach =
      static_cast<std::uint32_t>(std::min<std::size_t>(remaining, one_in(6) ? 250 : 8));
  switch (below(16)) {
    case 0: return cbpfc::Jump{.skip = below(reach)};
    case 1:
      if (one_in(2)) {
        return cbpfc::ReturnA{};
      }
      return cbpfc::ReturnConstant{.value = one_in(2) ? 0 : constant()};
    default:
      return cbpfc::JumpIf{.condition = pick(kConditions),
                           .operand = operand(),
                           .skip_true = static_cast<std::uint8_t>(below(reach)),
                           .skip_false = static_cast<std::uint8_t>(below(reach))};
  }
}

cbpfc::Filter Generator::program() {
  std::vector<Insn> insns;
  scratch_slots_ = profile_ == Profile::Wide && one_in(3) ? below(cbpfc::kScratchSlots + 1) : 0;
  for (std::uint32_t slot = 0; slot < scratch_slots_; ++slot) {
    if (one_in(3)) {
      insns.emplace_back(cbpfc::LoadImmediate{.dst = Register::A, .value = constant()});
    }
    insns.emplace_back(
        cbpfc::StoreScratch{.src = Register::A, .slot = static_cast<std::uint8_t>(slot)});
  }
  const std::size_t length = insns.size() + 1 + below(one_in(10) ? 120 : 24);
  while (insns.size() < length) {
    const std::size_t remaining = length - insns.size();  // with the final return
    const bool jumps = one_in(4);
    insns.push_back(jumps                       ? jump(remaining)
                    : profile_ == Profile::Wide ? straight()
                                                : address_step());
  }
  if (one_in(3)) {
    insns.emplace_back(cbpfc::ReturnConstant{.value = constant()});
  } else {
    insns.emplace_back(cbpfc::ReturnA{});
  }
  std::vector<cbpfc::RawInsn> raw;
  raw.reserve(insns.size());
  for (const Insn& insn : insns) {
    raw.push_back(cbpfc::encode_insn(insn));
  }
  auto filter = cbpfc::Filter::decode(raw);
  if (!filter) {
    std::abort();  // the generator makes valid programs only
  }
  return *std::move(filter);
}

Packet Generator::packet() {
  Packet packet(one_in(4) ? below(20) : below(97));
  const bool small_values = one_in(2);
  for (std::uint8_t& byte : packet) {
    byte = static_cast<std::uint8_t>(small_values && !one_in(4) ? below(4) : random_());
  }
  return packet;
}

}  // namespace differential

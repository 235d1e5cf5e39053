// SPDX-License-Identifier: BSD-3-Clause
//
// One instruction a step.  Nothing here is clever, on purpose.
// Tested by: interpret_test.cc, and against libpcap and the kernel in differential/.

#include "verify/interpreter/interpret.h"

#include <fmt/core.h>

#include <bit>

#include "base/overloaded.h"
#include "cbpfc/classic/ancillary.h"
#include "verify/interpreter/machine.h"

namespace cbpfc {
/// The big-endian value at `offset` in a packet without the `missing` bytes of a tag, or the end of the program.
std::uint32_t Machine::read(std::uint32_t offset, Size size, std::uint32_t missing) {
  constexpr std::uint64_t kTagOffset = 12;
  std::uint32_t loaded = 0;
  for (std::uint64_t at = offset; at < std::uint64_t{offset} + static_cast<std::uint64_t>(size);
       ++at) {
    const std::uint64_t place = at + (at >= kTagOffset ? missing : 0);
    if (place >= packet.size()) {
      result = 0;
      return 0;
    }
    loaded = loaded << 8 | packet[place];
  }
  return loaded;
}

void Machine::alu(AluOp op, std::uint32_t right) {
  if ((op == AluOp::Div || op == AluOp::Mod) && right == 0) {
    result = 0;
    return;
  }
  switch (op) {
    case AluOp::Add: a += right; break;
    case AluOp::Sub: a -= right; break;
    case AluOp::Mul: a *= right; break;
    case AluOp::Div: a /= right; break;
    case AluOp::Mod: a %= right; break;
    case AluOp::Or: a |= right; break;
    case AluOp::And: a &= right; break;
    case AluOp::Xor: a ^= right; break;
    case AluOp::Lsh: a <<= right & 31; break;
    case AluOp::Rsh: a >>= right & 31; break;
  }
}

bool Machine::holds(Condition condition, std::uint32_t right) const {
  switch (condition) {
    case Condition::Equal: return a == right;
    case Condition::Greater: return a > right;
    case Condition::GreaterEqual: return a >= right;
    case Condition::AnyBitSet: return (a & right) != 0;
  }
  return false;
}

void Machine::refuse(std::string_view what) {
  unsupported = fmt::format("instruction {}: {}", pc - 1, what);
}

void Machine::step(const Filter& filter) {
  const Insn& insn = filter.insns()[pc++];  // in range: a Filter's last instruction returns
  std::visit(Overloaded{
                 [&](const LoadImmediate& i) { reg(i.dst) = i.value; },
                 [&](const LoadAbsolute& i) { load_relative(i.offset, i.size); },
                 [&](const LoadIndirect& i) { a = load(x + i.offset, i.size); },
                 [&](const LoadHeaderLength& i) { load_header_length(i.offset); },
                 [&](const LoadLength& i) { reg(i.dst) = wire_length_bytes - left_out(); },
                 [&](const LoadAncillary& i) { load_ancillary(i.offset); },
                 [&](const LoadScratch& i) { reg(i.dst) = scratch[i.slot]; },
                 [&](const StoreScratch& i) { scratch[i.slot] = reg(i.src); },
                 [&](const Alu& i) { alu(i.op, value(i.operand)); },
                 [&](const Negate&) { a = -a; },
                 [&](const Transfer& i) { reg(i.dst) = i.dst == Register::X ? a : x; },
                 [&](const Jump& i) { pc = i.target(pc - 1); },
                 [&](const JumpIf& i) {
                   pc += holds(i.condition, value(i.operand)) ? i.skip_true : i.skip_false;
                 },
                 [&](const ReturnA&) { result = a; },
                 [&](const ReturnConstant& i) { result = i.value; },
             },
             insn);
}

namespace {

/// What decides how a run goes on.
bool same_state(const Machine& left, const Machine& right) {
  return left.pc == right.pc && left.a == right.a && left.x == right.x &&
         left.scratch == right.scratch;
}

}  // namespace

Result<std::optional<std::uint32_t>> run_to_end(Machine machine, const Filter& filter) {
  // A run that jumps backwards and comes to a state it has been in never ends.  Of the states behind
  // backward jumps the 1st, 2nd, 4th, 8th... is kept to compare with: one of them is in the cycle, and
  // the next that is kept is more than a cycle away.
  std::optional<Machine> kept;
  std::uint64_t jumps = 0;
  while (!machine.ended()) {
    const std::size_t pc = machine.pc;
    machine.step(filter);
    if (machine.pc > pc) {
      continue;
    }
    if (kept && same_state(*kept, machine)) {
      return std::nullopt;
    }
    if (++jumps > kMostBackwardJumps) {
      return fail(Errc::Unsupported,
                  fmt::format("instruction {}: the program jumped backwards {} times on this "
                              "packet, and interpretation stops here",
                              pc, kMostBackwardJumps));
    }
    if (std::has_single_bit(jumps)) {
      kept = machine;
    }
  }
  if (machine.unsupported) {
    return fail(Errc::Unsupported, *machine.unsupported);
  }
  return machine.result;
}

Result<std::uint32_t> interpret(const Filter& filter, std::span<const std::uint8_t> packet,
                                std::uint32_t wire_length_bytes, const AncillaryFacts& facts) {
  constexpr std::size_t kEthernetBytes = 14;
  if (facts.from_frame && ancillary::depends_on_tag(filter) && packet.size() < kEthernetBytes) {
    return 0;
  }
  const Machine start{.packet = packet,
                      .wire_length_bytes = wire_length_bytes,
                      .facts = facts,
                      .leaves_out_tag = facts.from_frame && ancillary::asks_for_tag(filter)};
  return TRY(run_to_end(start, filter)).value_or(0);
}

}  // namespace cbpfc

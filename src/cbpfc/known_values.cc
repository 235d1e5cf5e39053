// SPDX-License-Identifier: BSD-3-Clause
//
// Bounds and low zero bits, forwards; what is read later, backwards.  Both go over the blocks again until
// nothing changes: with loops a block's predecessor may come after it.
//
// A bound that grows from one round to the next is given up, so a few rounds do.
// Tested by: loops_test.cc.

#include "known_values.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <ranges>

#include "block_order.h"
#include "overloaded.h"

namespace cbpfc {
namespace {

constexpr std::uint32_t kUnbounded = 0xffffffff;

std::uint32_t clamp(std::uint64_t value) {
  return value < kUnbounded ? static_cast<std::uint32_t>(value) : kUnbounded;
}

std::uint8_t capped(std::uint32_t bits) {
  return static_cast<std::uint8_t>(std::min(bits, 32U));
}

/// Of a number below `limit`, or of any when the bound is not known.
KnownValue shifted_left(const KnownValue& left, std::uint32_t by) {
  return {.max = clamp(std::uint64_t{left.max} << by), .zero_bits = capped(left.zero_bits + by)};
}

KnownValue after_alu(AluOp op, const KnownValue& left, const KnownValue& right, bool is_constant) {
  const std::uint8_t fewer = std::min(left.zero_bits, right.zero_bits);
  switch (op) {
    case AluOp::Add: return {.max = clamp(std::uint64_t{left.max} + right.max), .zero_bits = fewer};
    case AluOp::Sub: return {.max = kUnbounded, .zero_bits = fewer};
    case AluOp::Mul:
      return {.max = clamp(std::uint64_t{left.max} * right.max),
              .zero_bits = capped(std::uint32_t{left.zero_bits} + right.zero_bits)};
    case AluOp::Or:
    case AluOp::Xor: return {.max = kUnbounded, .zero_bits = fewer};
    case AluOp::And:
      return {.max = std::min(left.max, right.max),
              .zero_bits = std::max(left.zero_bits, right.zero_bits)};
    case AluOp::Lsh: return is_constant ? shifted_left(left, right.max) : KnownValue{};
    case AluOp::Rsh: return {.max = is_constant ? left.max >> right.max : left.max, .zero_bits = 0};
    case AluOp::Div:
    case AluOp::Mod: return {.max = left.max, .zero_bits = 0};
  }
  return {};
}

KnownValue loaded(Size size) {
  const int bits = 8 * static_cast<int>(size);
  return {.max = kUnbounded >> (32 - bits), .zero_bits = 0};
}

}  // namespace

KnownValue KnownValue::constant(std::uint32_t value) {
  return {.max = value, .zero_bits = static_cast<std::uint8_t>(std::countr_zero(value))};
}

KnownValue KnownValue::join(const KnownValue& left, const KnownValue& right) {
  return {.max = std::max(left.max, right.max),
          .zero_bits = std::min(left.zero_bits, right.zero_bits)};
}

KnownValues join(const KnownValues& left, const KnownValues& right) {
  KnownValues both;
  for (std::size_t i = 0; i < kVariables; ++i) {
    both[i] = KnownValue::join(left[i], right[i]);
  }
  return both;
}

KnownValues known_after(const Step& step, KnownValues before) {
  KnownValue& a = before[variable(Register::A)];
  KnownValue& x = before[variable(Register::X)];
  const auto reg = [&](Register r) -> KnownValue& { return before[variable(r)]; };
  std::visit(Overloaded{
                 [&](const LoadImmediate& s) { reg(s.dst) = KnownValue::constant(s.value); },
                 [&](const LoadOpaque& s) { reg(s.dst) = KnownValue::constant(s.value); },
                 [&](const LoadAbsolute& s) { a = loaded(s.size); },
                 [&](const LoadIndirect& s) { a = loaded(s.size); },
                 [&](const LoadFromBase& s) { a = loaded(s.size); },
                 [&](const LoadHeaderLength&) { x = {.max = 60, .zero_bits = 2}; },
                 [&](const LoadLength& s) { reg(s.dst) = {}; },
                 [&](const LoadScratch& s) { reg(s.dst) = before[variable_of_slot(s.slot)]; },
                 [&](const StoreScratch& s) { before[variable_of_slot(s.slot)] = reg(s.src); },
                 [&](const Alu& s) {
                   const KnownValue right = s.operand.is_x ? x : KnownValue::constant(s.operand.k);
                   a = after_alu(s.op, a, right, !s.operand.is_x);
                 },
                 [&](const Negate&) { a.max = kUnbounded; },
                 [&](const Transfer& s) { s.dst == Register::X ? x = a : a = x; },
                 [&](const LoadContext&) { a = {}; },
                 [&](const CallHelper&) { a = {}; },
                 [](const AbsoluteGuard&) {},
                 [](const IndirectGuard&) {},
                 [](const DivisorGuard&) {},
                 [](const StartLoop&) {},
                 [](const CountTrip&) {},
             },
             step);
  return before;
}

VariableSet read_by(const Exit& exit) {
  if (const auto* branch = std::get_if<Branch>(&exit)) {
    return set_of(Register::A) | (branch->operand.is_x ? set_of(Register::X) : 0U);
  }
  return std::holds_alternative<ReturnA>(exit) ? set_of(Register::A) : 0U;
}

VariableSet live_before(const Step& step, VariableSet after) {
  VariableSet live = after;
  for (const Register r : {Register::A, Register::X}) {
    live &= writes(step, r) ? ~set_of(r) : ~VariableSet{0};
  }
  if (const auto* store = std::get_if<StoreScratch>(&step)) {
    live &= ~(1U << variable_of_slot(store->slot));
  }
  if (const auto* load = std::get_if<LoadScratch>(&step)) {
    live |= 1U << variable_of_slot(load->slot);
  }
  for (const Register r : {Register::A, Register::X}) {
    live |= reads(step, r) ? set_of(r) : 0U;
  }
  return live;
}

std::vector<VariableSet> live_at_entries(const Cfg& cfg) {
  std::vector<VariableSet> live(cfg.blocks.size(), 0);
  const bool has_loops = has_downward_edges(cfg);
  for (bool changed = true; changed;) {
    changed = false;
    for (BlockId id = cfg.blocks.size(); id-- > 0;) {
      const Block& block = cfg.blocks[id];
      if (!block.reachable) {
        continue;
      }
      VariableSet now = read_by(block.exit);
      for (const BlockId next : successors(block.exit)) {
        now |= live[next];
      }
      for (const Step& step : std::views::reverse(block.steps)) {
        now = live_before(step, now);
      }
      changed = changed || (has_loops && now != live[id]);
      live[id] = now;
    }
  }
  return live;
}

std::vector<KnownValues> known_at_entries(const Cfg& cfg) {
  std::vector<std::optional<KnownValues>> entry(cfg.blocks.size());
  KnownValues start;
  start.fill(KnownValue::constant(0));
  entry[0] = start;
  for (bool changed = true; changed;) {
    changed = false;
    for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
      if (!cfg.blocks[id].reachable || !entry[id]) {
        continue;
      }
      KnownValues now = *entry[id];
      for (const Step& step : cfg.blocks[id].steps) {
        now = known_after(step, now);
      }
      for (const BlockId next : successors(cfg.blocks[id].exit)) {
        KnownValues joined = entry[next] ? join(*entry[next], now) : now;
        if (entry[next] == joined) {
          continue;
        }
        for (std::size_t i = 0; i < kVariables && entry[next] && next <= id; ++i) {
          if (joined[i].max > (*entry[next])[i].max) {
            joined[i].max = kUnbounded;  // grows on the way round
          }
        }
        entry[next] = joined;
        changed = true;
      }
    }
  }
  std::vector<KnownValues> known(cfg.blocks.size());
  for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
    known[id] = entry[id].value_or(KnownValues{});
  }
  return known;
}

}  // namespace cbpfc

// SPDX-License-Identifier: BSD-3-Clause
//
// One statement a step.
//
//     guard p[..24]                       CBPFC_NEED(data, 24u);
//     a = p16[12]                         a = CBPFC_LOAD16(data + 12);
//     if a == 0x800 goto 1 else 6         if (a != 0x800u) return 0u;
//     base = x + 0, guard [..16], x small CBPFC_SMALL_BASE(x, 0x3fu, 16u);
//
// The graph may rely on offsets that the verifier of BPF does not allow; on a host there is no limit.
// What the limit makes of a guard is decided here, for the macros to apply under BPF alone.
//
// clang keeps what it has loaded, from anywhere to anywhere.  With some seventy values that are used again,
// BPF's 512 bytes of stack do not hold them.  And a value that was compared is known on one path and not on
// the other; where they meet and it is compared again, the verifier walks on for each, 2^n times for n values,
// until it has seen a million instructions.  Hence CBPFC_FORGET: when many different values may be kept,
// and, in long programs and those that compute with constants (pass_constants.cc), wherever paths meet.
//
// Tested by: compile_c_test.cc, differential/c_test.cc.

#include "c_statements.h"

#include <cbpfc/compile.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>

#include "emit_c.h"
#include "overloaded.h"

namespace cbpfc {
namespace {

/// Largest X that is masked rather than compared: with the furthest load behind it and the furthest start
/// of the packet, it stays within what the verifier allows.
constexpr std::uint32_t kMostMaskedX = 0x3fff;
static_assert(kMostMaskedX + 32768 + kMostPacketStartOffset <= kMaxPacketOffset);

/// Values clang may keep; each takes 8 of 512 bytes of stack, and there are the filter's own variables.
constexpr std::size_t kMostKept = 24;

/// Steps in a program up to which the verifier may walk all paths.
constexpr std::size_t kMostTrusted = 256;

std::string number(std::uint32_t value) {
  return value < 10 ? fmt::format("{}u", value) : fmt::format("{:#x}u", value);
}

std::string_view name(Register r) {
  return r == Register::A ? "a" : "x";
}

std::string print(const Operand& operand) {
  return operand.is_x ? "x" : number(operand.k);
}

std::string print_load(Size size, std::string_view pointer, std::uint32_t offset) {
  switch (size) {
    case Size::Byte: return fmt::format("{}[{}]", pointer, offset);
    case Size::Half: return fmt::format("CBPFC_LOAD16({} + {})", pointer, offset);
    case Size::Word: return fmt::format("CBPFC_LOAD32({} + {})", pointer, offset);
  }
  return {};
}

std::string print_condition(Condition condition, const Operand& operand, bool holds) {
  switch (condition) {
    case Condition::Equal: return fmt::format("a {} {}", holds ? "==" : "!=", print(operand));
    case Condition::Greater: return fmt::format("a {} {}", holds ? ">" : "<=", print(operand));
    case Condition::GreaterEqual: return fmt::format("a {} {}", holds ? ">=" : "<", print(operand));
    case Condition::AnyBitSet:
      return fmt::format("(a & {}) {} 0u", print(operand), holds ? "!=" : "==");
  }
  return {};
}

/// The values at the start of each block that its predecessors allow.
std::vector<ValueRange> ranges_at_entry(const Cfg& cfg) {
  std::vector<std::optional<ValueRange>> ranges(cfg.blocks.size());
  ranges[0] = ValueRange{};
  for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
    const Block& block = cfg.blocks[id];
    if (!block.reachable) {
      continue;
    }
    ValueRange range = *ranges[id];
    for (const Step& step : block.steps) {
      range = range_after(step, range);
    }
    range = range_after(block.exit, range);
    for (const BlockId next : successors(block.exit)) {
      ranges[next] = ranges[next] ? ValueRange::join(*ranges[next], range) : range;
    }
  }
  std::vector<ValueRange> all;
  all.reserve(ranges.size());
  for (const std::optional<ValueRange>& range : ranges) {
    all.push_back(range.value_or(ValueRange{}));
  }
  return all;
}

bool has_opaque(const Cfg& cfg) {
  return std::ranges::any_of(cfg.blocks, [](const Block& block) {
    return block.reachable && std::ranges::any_of(block.steps, [](const Step& step) {
             return std::holds_alternative<LoadOpaque>(step);
           });
  });
}

std::size_t steps_of(const Cfg& cfg) {
  std::size_t sum = 0;
  for (const Block& block : cfg.blocks) {
    sum += block.reachable ? block.steps.size() + 1 : 0;
  }
  return sum;
}

/// The blocks where paths meet.
std::vector<bool> joins(const Cfg& cfg) {
  std::vector<int> predecessors(cfg.blocks.size());
  for (const Block& block : cfg.blocks) {
    if (block.reachable) {
      for (const BlockId next : successors(block.exit)) {
        ++predecessors[next];
      }
    }
  }
  std::vector<bool> joins;
  for (const int count : predecessors) {
    joins.push_back(count > 1);
  }
  return joins;
}

}  // namespace

bool is_a_return(const Block& block) {
  return block.steps.empty() && std::holds_alternative<ReturnConstant>(block.exit);
}

CStatements::CStatements(const Cfg& cfg, const COptions& options)
    : cfg_(cfg),
      options_(options),
      range_at_entry_(ranges_at_entry(cfg)),
      live_at_entry_(live_at_entry(cfg)),
      has_opaque_(has_opaque(cfg)),
      forgets_(has_opaque_ || steps_of(cfg) > kMostTrusted ? joins(cfg)
                                                           : std::vector<bool>(cfg.blocks.size())) {
}

std::string CStatements::write(BlockId id, std::optional<BlockId> next, const CPart& part,
                               CNames& names) {
  text_.clear();
  next_ = next;
  part_ = part;
  names_ = &names;
  range_ = range_at_entry_[id];
  const Block& block = cfg_.blocks[id];
  if (forgets_[id]) {
    line("CBPFC_FORGET;");
  }
  for (std::size_t i = 0; i < block.steps.size(); ++i) {
    const Step& step = block.steps[i];
    for (const Register r : {Register::A, Register::X}) {
      if (reads(step, r) || writes(step, r)) {
        use(r);
      }
    }
    forget_when_due(block, i);
    std::visit([&](const auto& s) { emit(s); }, step);
    range_ = range_after(step, range_);
  }
  std::visit([&](const auto& e) { emit(e); }, block.exit);
  return std::move(text_);
}

/// Counts what clang may keep; before the step that is one too many, makes it forget.
void CStatements::forget_when_due(const Block& block, std::size_t step) {
  const std::size_t kind = block.steps[step].index();
  std::visit(
      Overloaded{
          [&](const LoadAbsolute& s) { kept_.emplace(kind, static_cast<int>(s.size), s.offset); },
          [&](const LoadFromBase& s) { kept_.emplace(kind, static_cast<int>(s.size), s.offset); },
          [&](const Alu& s) { kept_.emplace(kind, static_cast<int>(s.op), s.operand.k); },
          [](const auto&) {},
      },
      block.steps[step]);
  if (kept_.size() <= kMostKept) {
    return;
  }
  kept_.clear();
  line("CBPFC_FORGET;");
  // A sum of all that was loaded, clang would add up in the end.
  Places live = live_at_exit(block, live_at_entry_);
  for (std::size_t i = block.steps.size(); i-- > step;) {
    live = live_before(block.steps[i], live);
  }
  for (std::uint8_t slot = 0; slot <= kScratchSlots; ++slot) {
    if (live.test(slot)) {
      names_->slots.insert(slot);
      line("CBPFC_HIDE(m{});", slot);
    }
  }
  for (const Register r : {Register::A, Register::X}) {
    if (live.test(place_of(r))) {
      use(r);
      line("CBPFC_HIDE({});", name(r));
    }
  }
}

/// The statement that ends the filter.
std::string CStatements::returns(std::string_view value) const {
  if (part_.is_whole || value == "0u") {  // the state's value is 0 from the start
    return fmt::format("return {};", value);
  }
  return fmt::format("{{ state->value = {}; return 0u; }}", value);
}

std::string CStatements::jump_to(BlockId id) {
  const Block& block = cfg_.blocks[id];
  if (is_a_return(block)) {
    return returns(number(std::get<ReturnConstant>(block.exit).value));
  }
  if (id >= part_.end) {
    names_->left_for.insert(id);
    return fmt::format("{{ at = {}u; goto leave; }}", id);
  }
  names_->labels.insert(id);
  return fmt::format("goto block_{};", id);
}

void CStatements::emit(const Goto& e) {
  if (e.target != next_) {
    line("{}", jump_to(e.target));
  }
}

void CStatements::emit(const Branch& e) {
  use(Register::A);
  if (e.operand.is_x) {
    use(Register::X);
  }
  if (e.if_true == next_) {
    line("if ({}) {}", print_condition(e.condition, e.operand, false), jump_to(e.if_false));
    return;
  }
  line("if ({}) {}", print_condition(e.condition, e.operand, true), jump_to(e.if_true));
  if (e.if_false != next_) {
    line("{}", jump_to(e.if_false));
  }
}

void CStatements::emit(const ReturnA&) {
  use(Register::A);
  line("{}", returns("a"));
}

void CStatements::emit(const ReturnConstant& e) {
  line("{}", returns(number(e.value)));
}

void CStatements::emit(const LoadImmediate& s) {
  line("{} = {};", name(s.dst), number(s.value));
}

void CStatements::emit(const LoadOpaque& s) {
  names_->unknown_0 = names_->bound = true;
  line("{} = {} ^ (uint32_t)unknown_0;", name(s.dst), number(s.value));
}

void CStatements::emit(const LoadAbsolute& s) {
  line("a = {};", print_load(s.size, "data", s.offset));
}

void CStatements::emit(const LoadFromBase& s) {
  line("a = {};", print_load(s.size, "base", s.offset));
}

void CStatements::emit(const LoadIndirect&) {
  assert(false && "guard_packet leaves no LoadIndirect");
}

void CStatements::emit(const LoadHeaderLength& s) {
  line("x = 4u * (data[{}] & 0xfu);", s.offset);
}

void CStatements::emit(const LoadLength& s) {
  if (options_.packet_length) {
    names_->packet_length = true;
    line("{} = packet_length;", name(s.dst));
    return;
  }
  names_->packet = names_->bound = true;
  line("CBPFC_LENGTH({});", name(s.dst));
}

void CStatements::emit(const LoadScratch& s) {
  names_->slots.insert(s.slot);
  line("{} = m{};", name(s.dst), s.slot);
}

void CStatements::emit(const StoreScratch& s) {
  names_->slots.insert(s.slot);
  line("m{} = {};", s.slot, name(s.src));
}

void CStatements::emit(const Alu& s) {
  constexpr std::array<std::string_view, 10> kOps = {"+", "-",  "*",  "/", "|",
                                                     "&", "<<", ">>", "%", "^"};
  const bool shifts = s.op == AluOp::Lsh || s.op == AluOp::Rsh;
  const std::string right = shifts && s.operand.is_x ? "(x & 31u)" : print(s.operand);
  const std::string_view op = kOps[static_cast<std::size_t>(s.op)];
  if (has_opaque_) {  // or the verifier adds up: without 32-bit instructions, sums only grow
    names_->unknown_0 = names_->bound = true;
    line("a = (a {} {}) ^ (uint32_t)unknown_0;", op, right);
    return;
  }
  line("a = a {} {};", op, right);
}

void CStatements::emit(const Negate&) {
  line("a = 0u - a;");
}

void CStatements::emit(const Transfer& s) {
  line("{}", s.dst == Register::X ? "x = a;" : "a = x;");
}

void CStatements::emit(const DivisorGuard&) {
  line("if (x == 0u) return 0u;");
}

void CStatements::emit(const AbsoluteGuard& s) {
  names_->packet = names_->bound = true;
  const bool far = s.end > kMaxPacketOffset - options_.packet_start_offset_bytes;
  line("CBPFC_NEED{}(data, {}u);", far ? "_FAR" : "", s.end);
}

void CStatements::emit(const IndirectGuard& s) {
  names_->packet = names_->bound = names_->base = true;
  // A base that is kept was masked too: the range of an X only grows from one guard to the next.
  if (s.x_is_small && range_.x_max <= kMostMaskedX) {
    if (s.keep_base) {
      line("CBPFC_NEED(base, {}u);", s.proven_end);
    } else {
      line("CBPFC_SMALL_BASE(x, {:#x}u, {}u);", std::bit_ceil(range_.x_max + 1) - 1, s.proven_end);
    }
    return;
  }
  // Also to keep a base: the pointer there is may have been compared with a limit that is too large now.
  names_->unknown_0 = names_->bound = true;
  use(Register::X);
  line("CBPFC_BASE(x{}, {}u, {}u);", s.base == 0 ? std::string() : " + " + number(s.base),
       kMaxPacketOffset - options_.packet_start_offset_bytes - s.proven_end, s.proven_end);
}

}  // namespace cbpfc

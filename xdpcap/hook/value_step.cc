// SPDX-License-Identifier: BSD-3-Clause

#include "xdpcap/hook/value_step.h"

#include <array>

namespace xdpcap {
namespace {

using cbpfc::ebpf::Alu;
using cbpfc::ebpf::Insn;
using enum Value::Kind;

// Parts of an opcode.
enum Class : std::uint8_t { kLd, kLdx, kSt, kStx, kAlu, kJmp, kJmp32, kAlu64 };
enum JumpOperation : std::uint8_t {
  kJa = 0x00,
  kJeq = 0x10,
  kJne = 0x50,
  kCall = 0x80,
  kExit = 0x90,
  kJcond = 0xe0,  // may_goto
};
constexpr std::uint8_t kFromRegister = 0x08;
constexpr std::uint8_t kModeMem = 0x60;
constexpr std::uint8_t kModeNoSpeculation =
    0xc0;  // of the kernel's own instructions, with class St
constexpr std::uint8_t kLoadImmediate64 = 0x18;
constexpr std::uint8_t kSourceMap = 1;        // of a 64-bit load: an id of a map
constexpr std::uint8_t kSourceFunction = 4;   // the same: the distance to a function
constexpr std::uint8_t kSourceOwn = 1;        // of a call: a function of the program
constexpr std::int32_t kTailCall = 12;        // BPF_FUNC_tail_call
constexpr std::int32_t kLoadAcquire = 0x100;  // of an atomic operation: it is a load
constexpr unsigned kWordBits = 32;
constexpr std::size_t kMostArguments = 5;

std::uint8_t class_of(const Insn& insn) {
  return insn.opcode & 0x07U;
}
std::uint8_t operation_of(const Insn& insn) {
  return insn.opcode & 0xf0U;
}
std::uint8_t mode_of(const Insn& insn) {
  return insn.opcode & 0xe0U;
}
std::size_t target_of(const Insn& insn) {
  return insn.registers & 0x0fU;
}
std::size_t source_of(const Insn& insn) {
  return insn.registers >> 4U;
}
unsigned size_of(const Insn& insn) {
  constexpr std::array<unsigned, 4> kSizes = {4, 2, 1, 8};
  return kSizes[(insn.opcode >> 3U) & 0x03U];
}
bool is_jump(const Insn& insn) {
  return class_of(insn) == kJmp || class_of(insn) == kJmp32;
}
bool is_speculation_barrier(const Insn& insn) {
  return class_of(insn) == kSt && mode_of(insn) == kModeNoSpeculation;
}

bool is_number(const Value& value) {
  return value.is(Constant) || value.is(Symbol);
}
Value constant(std::int32_t number) {
  return {.kind = Constant, .is_shifted = false, .number = static_cast<std::uint32_t>(number)};
}
/// What an instruction works with: a register, or the number in it.
Value operand(const Insn& insn, const ValueState& state) {
  return (insn.opcode & kFromRegister) != 0 ? state[source_of(insn)] : constant(insn.immediate);
}

/// `a operation b`, where its low 32 bits depend on those of `a` and `b` only.
std::optional<Value> fold(const Insn& insn, const Value& a, const Value& b) {
  const auto left = static_cast<std::uint32_t>(a.number);
  const auto right = static_cast<std::uint32_t>(b.number);
  const auto made = [](std::uint32_t number) {
    return Value{.kind = Constant, .is_shifted = false, .number = number};
  };
  switch (static_cast<Alu>(operation_of(insn))) {
    case Alu::Add: return made(left + right);
    case Alu::Sub: return made(left - right);
    case Alu::Mul: return made(left * right);
    case Alu::Or: return made(left | right);
    case Alu::And: return made(left & right);
    case Alu::Xor: return made(left ^ right);
    case Alu::Lsh: return right < kWordBits ? std::optional(made(left << right)) : std::nullopt;
    case Alu::Rsh:
      return class_of(insn) == kAlu && right < kWordBits ? std::optional(made(left >> right))
                                                         : std::nullopt;
    default: return std::nullopt;
  }
}

/// Whether this is the kernel's "if r3 >= slots skip; r3 &= slots - 1" before a tail call, against speculation: behind the
/// check, the mask leaves r3 as it is.
bool is_check_before_mask(std::span<const Insn> insns, std::size_t point) {
  constexpr std::uint8_t kIfNotBelow = 0x35;    // if r >= immediate, 64 bits
  constexpr std::uint8_t kAndImmediate = 0x54;  // 32 bits
  if (point + 1 >= insns.size()) {
    return false;
  }
  const Insn& check = insns[point];
  const Insn& mask = insns[point + 1];
  const auto slots = static_cast<std::uint32_t>(check.immediate);
  const auto bits = static_cast<std::uint32_t>(mask.immediate);
  return check.opcode == kIfNotBelow && target_of(check) == kIndexArgument && check.offset == 2 &&
         mask.opcode == kAndImmediate && target_of(mask) == kIndexArgument &&
         (bits & (bits + 1)) == 0 && slots != 0 && bits >= slots - 1;
}

/// `left operation right` for a number on the right; nullopt: something new.
std::optional<Value> calculate_with(const Insn& insn, const Value& left, const Value& right) {
  const auto operation = static_cast<Alu>(operation_of(insn));
  const bool is_64_bits = class_of(insn) == kAlu64;
  // To the left and back again: how 32 bits become 64.
  if (is_64_bits && right.number == kWordBits && (left.kind == Constant || left.kind == Symbol)) {
    const bool is_left = operation == Alu::Lsh;
    const bool is_right = operation == Alu::Rsh || operation == Alu::Arsh;
    return (is_left && !left.is_shifted) || (is_right && left.is_shifted)
               ? std::optional(
                     Value{.kind = left.kind, .is_shifted = is_left, .number = left.number})
               : std::nullopt;
  }
  if (left.is(Frame) && is_64_bits && (operation == Alu::Add || operation == Alu::Sub)) {
    const std::int64_t distance = static_cast<std::int32_t>(right.number);
    const std::int64_t signed_distance = operation == Alu::Add ? distance : -distance;
    return Value{.kind = Frame,
                 .is_shifted = false,
                 .number = left.number + static_cast<std::uint64_t>(signed_distance)};
  }
  if (left.is(Constant)) {
    return fold(insn, left, right);
  }
  const bool adds_nothing = right.number == 0 && (operation == Alu::Add || operation == Alu::Sub ||
                                                  operation == Alu::Or || operation == Alu::Xor);
  const bool takes_nothing = operation == Alu::And && right.number == UINT32_MAX;
  return left.is(Symbol) && (adds_nothing || takes_nothing) ? std::optional(left) : std::nullopt;
}

void calculate(const Insn& insn, std::size_t point, ValueState& state) {
  const Value right = operand(insn, state);
  std::optional<Value> result;
  if (static_cast<Alu>(operation_of(insn)) == Alu::Mov) {
    // With an offset it extends the sign of so many bits, or converts an address.
    const bool is_copy = insn.offset == 0 || insn.offset == kWordBits;
    const bool is_whole = insn.offset == 0 && class_of(insn) == kAlu64;
    if (is_copy && (is_whole || is_number(right))) {
      result = right;
    }
  } else if (right.is(Constant)) {
    result = calculate_with(insn, state[target_of(insn)], right);
  }
  if (result) {
    state.set(target_of(insn), *result);
  } else {
    state.set_new(target_of(insn), point);
  }
}

void load_immediate(const Insn& insn, std::size_t point, ValueState& state) {
  if (source_of(insn) == 0) {
    state.set(target_of(insn), constant(insn.immediate));
  } else if (source_of(insn) == kSourceMap) {
    state.set(
        target_of(insn),
        {.kind = Map, .is_shifted = false, .number = static_cast<std::uint32_t>(insn.immediate)});
  } else {
    state.set_new(target_of(insn), point);
  }
}

void load(const Insn& insn, std::size_t point, ValueState& state) {
  const Value base = state[source_of(insn)];
  if (base.is(Frame) && mode_of(insn) == kModeMem) {
    state.load(target_of(insn), static_cast<std::int64_t>(base.number) + insn.offset, size_of(insn),
               point);
  } else {
    state.set_new(target_of(insn), point);
  }
}

void store(const Insn& insn, std::size_t point, ValueState& state) {
  if (is_speculation_barrier(insn)) {
    return;
  }
  const Value base = state[target_of(insn)];
  if (mode_of(insn) != kModeMem) {  // atomic: may return the old value, also in r0
    state.forget_stack();
    state.set_new(0, point);
    state.set_new(insn.immediate == kLoadAcquire ? target_of(insn) : source_of(insn), point);
  } else if (base.is(Frame)) {
    state.store(static_cast<std::int64_t>(base.number) + insn.offset, size_of(insn),
                class_of(insn) == kSt ? constant(insn.immediate) : state[source_of(insn)]);
  } else {
    state.forget_stack();  // the address may be one on it
  }
}

void call(const Insn& insn, std::size_t point, ValueState& state) {
  if (!is_tail_call(insn, state)) {
    state.forget_stack();  // it may have been given its address
  }
  for (std::size_t i = 0; i <= kMostArguments; ++i) {
    state.set_new(i, point);
  }
}

std::vector<Successor> branch(std::span<const Insn> insns, std::size_t point,
                              const ValueState& state) {
  const Insn& insn = insns[point];
  const Value left = state[target_of(insn)];
  const Value right = operand(insn, state);
  std::optional<std::pair<Value, std::uint32_t>> if_equal;
  if (left.is(Symbol) && right.is(Constant)) {
    if_equal = {left, static_cast<std::uint32_t>(right.number)};
  } else if (right.is(Symbol) && left.is(Constant)) {
    if_equal = {right, static_cast<std::uint32_t>(left.number)};
  }
  Successor taken{.point = after_jump(point, insn.offset)};
  Successor next{.point = point + (is_check_before_mask(insns, point) ? 2 : 1)};
  if (operation_of(insn) == kJeq) {
    taken.known = if_equal;
  } else if (operation_of(insn) == kJne) {
    next.known = if_equal;
  }
  return {taken, next};
}

std::optional<std::vector<Successor>> jump(std::span<const Insn> insns, std::size_t point,
                                           ValueState& state) {
  const Insn& insn = insns[point];
  switch (operation_of(insn)) {
    case kExit: return std::vector<Successor>();
    case kCall: call(insn, point, state); return std::vector{Successor{.point = point + 1}};
    case kJa:
      if ((insn.opcode & kFromRegister) != 0) {
        return std::nullopt;  // to an address in a register
      }
      return std::vector{Successor{
          .point = after_jump(point, class_of(insn) == kJmp32 ? insn.immediate : insn.offset)}};
    default: return branch(insns, point, state);
  }
}

}  // namespace

bool is_call(const Insn& insn) {
  return is_jump(insn) && operation_of(insn) == kCall;
}

bool is_function_call(const Insn& insn) {
  return is_call(insn) && source_of(insn) == kSourceOwn;
}

bool is_function_address(const Insn& insn) {
  return is_wide(insn) && source_of(insn) == kSourceFunction;
}

bool is_exit(const Insn& insn) {
  return is_jump(insn) && operation_of(insn) == kExit;
}

bool is_wide(const Insn& insn) {
  return insn.opcode == kLoadImmediate64;
}

bool is_tail_call(const Insn& insn, const ValueState& state) {
  return is_call(insn) && source_of(insn) == 0 &&
         (insn.immediate == kTailCall || (insn.immediate == 0 && state[kMapArgument].is(Map)));
}

bool writes_elsewhere(const Insn& insn, const ValueState& state) {
  const bool is_store = class_of(insn) == kSt || class_of(insn) == kStx;
  return is_store && !is_speculation_barrier(insn) && !state[target_of(insn)].is(Frame);
}

std::optional<std::vector<Successor>> step(std::span<const Insn> insns, std::size_t point,
                                           ValueState& state) {
  const Insn& insn = insns[point];
  if (target_of(insn) >= ValueState::kIndex || source_of(insn) >= ValueState::kIndex) {
    return std::nullopt;
  }
  switch (class_of(insn)) {
    case kLd:
      if (!is_wide(insn)) {
        return std::nullopt;  // packet loads, which XDP programs do not have
      }
      load_immediate(insn, point, state);
      return std::vector{Successor{.point = point + 2}};
    case kLdx: load(insn, point, state); break;
    case kSt:
    case kStx: store(insn, point, state); break;
    case kAlu:
    case kAlu64: calculate(insn, point, state); break;
    default: return jump(insns, point, state);
  }
  return std::vector{Successor{.point = point + 1}};
}

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// Code that shows the verifier bytes of the packet (the guards of ValueCode), by PacketAccess.
//
// Direct, between two pointers:
//
//     guard [0, 34)                          r4 = r2; r4 += 34; if r4 > r3 goto outside
//     guard [0, 38) behind it                r4 += 4; if r4 > r3 goto outside
//     pointer for an index of at most 60     r5 = index; r5 += r2; r5 += 18; if r5 > r3 goto outside
//     pointer for any index                  w5 = 14; w5 += index; w5 += unknown 0;
//                                            if r5 > 65531 goto outside; r5 += r2; ...
//
// An index that the verifier knows no small bound of is compared first; the unknown 0 makes it forget what it knows.
// A pointer to an index with a bound starts at the index, one to any other at the lowest byte wanted: with 32-bit
// wrap nothing is known of what lies before.
//
// Buffer, of a size that the verifier knows, with a number of valid bytes of which it knows nothing: an index is
// compared with both.  The number makes it right, the size makes it allowed:
//
//     guard [0, 34)                          if r3 < 34 goto outside
//     pointer for any index                  w5 = 14; w5 += index; w5 += unknown 0;
//                                            if r5 > size - 4 goto outside
//                                            w6 = 4; w6 += w5; if r6 > r3 goto outside; r5 += r2
//
// Probe: addresses are numbers, and the verifier need not be shown anything.
//
// Where the comparison of a Direct pointer fails, the pointer is given up.  Why: docs/compiler.md, "Facts about the verifier".
// Source: Linux v6.18 kernel/bpf/verifier.c find_good_pkt_pointers(), mark_pkt_end(),
// is_pkt_ptr_branch_taken(), adjust_ptr_min_max_vals().

#include <algorithm>

#include "cbpfc/emit/value_code.h"

namespace cbpfc::optimizer {

using ebpf::Reg;

MachineState ValueCode::guard(std::uint32_t end, const std::string& outside) {
  if (access() != PacketAccess::Direct) {
    code.jump_if(ebpf::Cmp::Less, options_.packet_end, static_cast<std::int32_t>(end), outside);
    const MachineState at_jump = state;
    state.bytes_proven = std::max(state.bytes_proven, end);
    return at_jump;
  }
  Reg last{};
  std::int64_t shift = 0;
  if (const auto old = find([](const Held& it) { return it.kind == Held::Kind::Start; })) {
    last = *old;
    shift = held(last).shift;
  } else {
    last = allocate();
    code.add(ebpf::mov(last, options_.packet_start));
  }
  code.add(ebpf::alu(ebpf::Alu::Add, last, static_cast<std::int32_t>(end - shift)));
  code.jump_if(ebpf::Cmp::Greater, last, options_.packet_end, outside);
  held(last) = Held{};
  const MachineState at_jump = state;
  held(last) = Held{.kind = Held::Kind::Start, .shift = end};
  state.bytes_proven = std::max(state.bytes_proven, end);
  return at_jump;
}

/// The largest number the verifier knows a value to be; it forgets at byte swaps, products, divisions and
/// loads from the stack, and after comparisons remembers no more than bits.
std::uint32_t ValueCode::verifier_max(ValueId value, int depth) const {
  const Values& values = graph_.values;
  if (const auto k = values.known(value)) {
    return *k;
  }
  if (depth == 0) {
    return kMostU32;
  }
  if (const auto* load = std::get_if<PacketLoad>(&values[value])) {
    return load->size == Size::Byte ? 0xff : kMostU32;
  }
  const auto* arithmetic = std::get_if<Arithmetic>(&values[value]);
  if (arithmetic == nullptr) {
    return kMostU32;
  }
  const auto fits = [](std::uint64_t most) {
    return most >= kMostU32 ? kMostU32 : bits_of(static_cast<std::uint32_t>(most));
  };
  const std::uint64_t left = verifier_max(arithmetic->left, depth - 1);
  const auto k = values.known(arithmetic->right);
  switch (arithmetic->op) {
    case AluOp::Add: return fits(left + verifier_max(arithmetic->right, depth - 1));
    case AluOp::And: return k ? fits(std::min<std::uint64_t>(left, *k)) : kMostU32;
    case AluOp::Lsh: return k ? fits(left << *k) : kMostU32;
    case AluOp::Rsh: return k ? fits(left >> *k) : kMostU32;
    default: return kMostU32;
  }
}

/// packet_start + index, for an index with a bound.
Reg ValueCode::small_pointer(ValueId index) {
  if (const auto old = find([&](const Held& it) { return it.is_pointer(index) && it.base == 0; })) {
    return *old;
  }
  const Reg reg = own(index);
  code.add(ebpf::alu(ebpf::Alu::Add, reg, options_.packet_start));
  held(reg) = Held{.kind = Held::Kind::Pointer, .value = index};
  return reg;
}

/// dst = from + k on 32 bits.  Not as a copy that something is added to: the verifier ties a copy to its original,
/// applies what a comparison of one tells to the other, sometimes losing its bounds, and refuses to add such a
/// register to a packet pointer when the constant is large.
/// Source: Linux v6.11 kernel/bpf/verifier.c sync_linked_regs(), check_reg_sane_offset().
void ValueCode::add_numbers(Reg dst, Reg from, std::int64_t k) {
  code.add(ebpf::mov32(dst, static_cast<std::uint32_t>(k)));
  code.add(ebpf::alu32(ebpf::Alu::Add, dst, from));
}

/// Leaves unless `offset` + `end`, which does not wrap, is at most the number of valid bytes.
void ValueCode::leave_if_not_in_buffer(Reg offset, std::int64_t end, Reg tmp,
                                       const std::string& outside) {
  add_numbers(tmp, offset, end);
  code.jump_if(ebpf::Cmp::Greater, tmp, options_.packet_end, outside);
}

/// packet_start + (index + begin modulo 2^32), where that and what follows can lie in a packet.
Reg ValueCode::any_pointer(ValueId index, std::int64_t begin, std::int64_t end,
                           const std::string& outside) {
  const std::uint32_t pinned = pinned_;
  const Reg from = value(index);
  pin(from);
  const Reg reg = allocate();
  pin(reg);
  add_numbers(reg, from, begin);
  const Reg zero = allocate();
  load_unknown_zero(zero);
  code.add(ebpf::alu32(ebpf::Alu::Add, reg, zero));
  const std::int64_t most = std::int64_t{max_packet_offset_} - (end - begin);
  code.jump_if(ebpf::Cmp::Greater, reg, static_cast<std::int32_t>(most), outside);
  if (access() == PacketAccess::Buffer) {
    leave_if_not_in_buffer(reg, end - begin, zero, outside);
  }
  code.add(ebpf::alu(ebpf::Alu::Add, reg, options_.packet_start));
  held(reg) = Held{
      .kind = Held::Kind::Pointer, .value = index, .base = begin, .begin = begin, .end = begin};
  pinned_ = pinned;
  return reg;
}

/// dst = 0, of which the verifier knows at most that it has 32 bits: from a difference of pointers, which it does
/// not follow.
void ValueCode::load_unknown_zero(Reg dst) {
  if (access() != PacketAccess::Direct) {
    code.add(ebpf::mov(dst, Reg::R10));
    code.add(ebpf::alu(ebpf::Alu::Sub, dst, Reg::R10));
    return;
  }
  code.add(ebpf::mov(dst, options_.packet_end));
  code.add(ebpf::alu(ebpf::Alu::Sub, dst, options_.packet_start));
  code.add(ebpf::alu(ebpf::Alu::Rsh, dst, 32));
}

MachineState ValueCode::guard_index(ValueId index, std::int64_t begin, std::int64_t end,
                                    const std::string& outside) {
  const std::uint32_t pinned = pinned_;
  if (access() == PacketAccess::Probe) {
    add_numbers(Reg::R3, value(index), begin);
    code.add(ebpf::alu(ebpf::Alu::Add, Reg::R3, static_cast<std::int32_t>(end - begin)));
    code.jump_if(ebpf::Cmp::Greater, Reg::R3, options_.packet_end, outside);
    return state;
  }
  const bool is_small =
      begin >= 0 && end <= kReach &&
      std::uint64_t{verifier_max(index)} + static_cast<std::uint64_t>(end) <= max_packet_offset_;
  const MachineState before = state;
  if (is_small && access() == PacketAccess::Buffer) {
    const Reg from = value(index);
    pin(from);
    leave_if_not_in_buffer(from, end, allocate(), outside);
    pinned_ = pinned;
  }
  const MachineState at_first_jump = state;
  const Reg pointer = is_small ? small_pointer(index) : any_pointer(index, begin, end, outside);
  MachineState at_jump = is_small ? at_first_jump : MachineState::meet(before, state);
  if (access() == PacketAccess::Direct) {
    const std::int64_t shift = end - held(pointer).base;
    if (shift != held(pointer).shift) {
      code.add(ebpf::alu(ebpf::Alu::Add, pointer,
                         static_cast<std::int32_t>(shift - held(pointer).shift)));
      held(pointer).shift = shift;
    }
    code.jump_if(ebpf::Cmp::Greater, pointer, options_.packet_end, outside);
    // any_pointer() jumps, too: what was there before it and still is holds at both.
    at_jump = is_small ? state : MachineState::meet(before, state);
  }
  at_jump.held[static_cast<std::size_t>(pointer)] = Held{};
  held(pointer).begin = held(pointer).base;
  held(pointer).end = std::max(held(pointer).end, end);
  pinned_ = pinned;
  return at_jump;
}

}  // namespace cbpfc::optimizer

// SPDX-License-Identifier: BSD-3-Clause

#include "verify/prove/fragment_live.h"

#include "cbpfc/emit/ebpf_opcodes.h"

namespace cbpfc::prove {
namespace {

namespace opcode = ebpf::opcode;

int class_of(const ebpf::Insn& insn) {
  return insn.opcode & opcode::kClassMask;
}
int op_of(const ebpf::Insn& insn) {
  return insn.opcode & opcode::kOpMask;
}
RegisterSet bit(unsigned number) {
  return 1U << number;
}
bool is_call(const ebpf::Insn& insn) {
  return insn.opcode == (opcode::kJmp | opcode::kCall);
}

constexpr RegisterSet kClobberedByCalls = 0x3f;  // R0 to R5

RegisterSet read_by(const ebpf::Insn& insn) {
  const RegisterSet dst = bit(insn.registers & 0xf);
  const RegisterSet src = bit(insn.registers >> 4);
  const RegisterSet by_source = (insn.opcode & opcode::kSourceReg) != 0 ? src : 0;
  switch (class_of(insn)) {
    case opcode::kLdx: return src;
    case opcode::kSt: return dst;
    case opcode::kStx: return dst | src;
    case opcode::kAlu32:
    case opcode::kAlu64:
      if (op_of(insn) == opcode::kEnd) {
        return dst;
      }
      return op_of(insn) == static_cast<int>(ebpf::Alu::Mov) ? by_source : dst | by_source;
    case opcode::kJmp:
    case opcode::kJmp32:
      if (is_call(insn)) {
        return bit(1) | bit(2) | bit(3) | bit(4) | bit(5);
      }
      return is_exit(insn) ? bit(0) : is_conditional(insn) ? dst | by_source : 0;
    default: return 0;
  }
}

}  // namespace

std::ptrdiff_t jump_target(const ebpf::Insn& insn, std::size_t at) {
  return static_cast<std::ptrdiff_t>(at) + 1 + insn.offset;
}

bool is_exit(const ebpf::Insn& insn) {
  return insn.opcode == (opcode::kJmp | opcode::kExit);
}

bool is_jump(const ebpf::Insn& insn) {
  const bool jumps = class_of(insn) == opcode::kJmp || class_of(insn) == opcode::kJmp32;
  return jumps && op_of(insn) != opcode::kCall && op_of(insn) != opcode::kExit;
}

bool is_conditional(const ebpf::Insn& insn) {
  return is_jump(insn) && op_of(insn) != opcode::kJa;
}

RegisterSet written_by(const ebpf::Insn& insn) {
  switch (class_of(insn)) {
    case opcode::kLd:
    case opcode::kLdx:
    case opcode::kAlu32:
    case opcode::kAlu64: return bit(insn.registers & 0xf);
    default: return is_call(insn) ? kClobberedByCalls : 0;
  }
}

std::vector<RegisterSet> live_before(std::span<const ebpf::Insn> insns, RegisterSet at_end) {
  const std::size_t size = insns.size();
  std::vector<RegisterSet> live(size + 1, 0);
  live[size] = at_end;
  for (bool changed = true; changed;) {  // once more than the loops nest
    changed = false;
    for (std::size_t at = size; at-- > 0;) {
      const ebpf::Insn& insn = insns[at];
      RegisterSet after = is_exit(insn) ? at_end : 0;
      if (!is_exit(insn) && (!is_jump(insn) || is_conditional(insn))) {
        after |= live[at + 1];
      }
      const std::ptrdiff_t target = is_jump(insn) ? jump_target(insn, at) : -1;
      if (target >= 0 && target <= static_cast<std::ptrdiff_t>(size)) {
        after |= live[static_cast<std::size_t>(target)];
      }
      const RegisterSet before = read_by(insn) | (after & ~written_by(insn));
      changed = changed || before != live[at];
      live[at] = before;
    }
  }
  return live;
}

}  // namespace cbpfc::prove

// SPDX-License-Identifier: BSD-3-Clause

#include "scratch_flow.h"

#include "classic_opcodes.h"

namespace cbpfc {

std::optional<std::vector<UnsetRead>> unset_scratch_reads(std::span<const RawInsn> program) {
  constexpr std::uint16_t kAll = 0xffff;
  std::vector<UnsetRead> reads;
  std::vector<std::uint16_t> written_at(program.size(), kAll);
  std::uint16_t written = 0;
  for (std::size_t pc = 0; pc < program.size(); ++pc) {
    const RawInsn& insn = program[pc];
    written &= written_at[pc];
    const auto slot = static_cast<std::uint16_t>(insn.k < kScratchSlots ? 1U << insn.k : 0U);
    const bool is_jump = (insn.code & opcode::kClassMask) == opcode::kJmp;
    if (insn.code == opcode::kSt || insn.code == opcode::kStx) {
      written |= slot;
    } else if (insn.code == (opcode::kLd | opcode::kMem) ||
               insn.code == (opcode::kLdx | opcode::kMem)) {
      if ((slot & ~written) != 0) {
        reads.push_back({.pc = pc, .slot = static_cast<std::uint8_t>(insn.k)});
      }
    } else if (is_jump) {
      const bool always = (insn.code & opcode::kOpMask) == opcode::kJa;
      const std::uint32_t skip_true = always ? insn.k : insn.jt;
      const std::uint32_t skip_false = always ? insn.k : insn.jf;
      const std::size_t reach = program.size() - pc - 1;
      if (skip_true >= reach || skip_false >= reach) {
        return std::nullopt;
      }
      written_at[pc + 1 + skip_true] &= written;
      written_at[pc + 1 + skip_false] &= written;
      written = kAll;
    }
  }
  return reads;
}

}  // namespace cbpfc

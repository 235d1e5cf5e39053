// SPDX-License-Identifier: BSD-3-Clause

#include "cbpfc/classic/scratch_flow.h"

#include "cbpfc/classic/classic_opcodes.h"

namespace cbpfc {
namespace {

constexpr std::uint16_t kAll = 0xffff;

/// The walk: updates what is written at jump targets, and returns the reads of unwritten slots.
std::vector<UnsetRead> walk(std::span<const RawInsn> program,
                            std::vector<std::uint16_t>& written_at) {
  std::vector<UnsetRead> reads;
  std::uint16_t written = 0;
  for (std::size_t pc = 0; pc < program.size(); ++pc) {
    const RawInsn& insn = program[pc];
    written &= written_at[pc];
    const auto slot = static_cast<std::uint16_t>(insn.k < kScratchSlots ? 1U << insn.k : 0U);
    const auto reaches = [&](std::uint32_t skip) {
      written_at[pc + 1 + static_cast<std::size_t>(static_cast<std::int32_t>(skip))] &= written;
    };
    if (insn.code == opcode::kSt || insn.code == opcode::kStx) {
      written |= slot;
    } else if (insn.code == (opcode::kLd | opcode::kMem) ||
               insn.code == (opcode::kLdx | opcode::kMem)) {
      if ((slot & ~written) != 0) {
        reads.push_back({.pc = pc, .slot = static_cast<std::uint8_t>(insn.k)});
      }
    } else if ((insn.code & opcode::kClassMask) == opcode::kJmp) {
      const bool is_always = (insn.code & opcode::kOpMask) == opcode::kJa;
      reaches(is_always ? insn.k : insn.jt);
      reaches(is_always ? insn.k : insn.jf);
      written = kAll;
    }
  }
  return reads;
}

}  // namespace

std::vector<UnsetRead> unset_scratch_reads(std::span<const RawInsn> program) {
  // What is written at a target only shrinks, so this ends; without backward jumps the first walk has
  // seen every source before its target, and the second changes nothing.
  std::vector<std::uint16_t> written_at(program.size(), kAll);
  std::vector<std::uint16_t> before;
  std::vector<UnsetRead> reads;
  do {
    before = written_at;
    reads = walk(program, written_at);
  } while (written_at != before);
  return reads;
}

}  // namespace cbpfc

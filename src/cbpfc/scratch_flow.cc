// SPDX-License-Identifier: BSD-3-Clause

#include "scratch_flow.h"

#include <algorithm>

#include "classic_opcodes.h"

namespace cbpfc {

namespace {

constexpr std::uint16_t kAll = 0xffff;

/// Where a jump may continue, as distances from the next instruction.
struct Skips {
  std::int64_t if_true;
  std::int64_t if_false;
};

Skips skips_of(const RawInsn& jump) {
  if ((jump.code & opcode::kOpMask) == opcode::kJa) {
    const std::int64_t skip = static_cast<std::int32_t>(jump.k);
    return {.if_true = skip, .if_false = skip};
  }
  return {.if_true = jump.jt, .if_false = jump.jf};
}

bool is_jump(const RawInsn& insn) {
  return (insn.code & opcode::kClassMask) == opcode::kJmp;
}

/// Whether every jump stays inside the program.
bool jumps_stay_inside(std::span<const RawInsn> program) {
  const auto count = static_cast<std::int64_t>(program.size());
  for (std::int64_t pc = 0; pc < count; ++pc) {
    const RawInsn& insn = program[static_cast<std::size_t>(pc)];
    if (is_jump(insn)) {
      const auto [if_true, if_false] = skips_of(insn);
      const std::int64_t least = pc + 1 + std::min(if_true, if_false);
      const std::int64_t most = pc + 1 + std::max(if_true, if_false);
      if (least < 0 || most >= count) {
        return false;
      }
    }
  }
  return true;
}

/// The walk: updates what is written at jump targets, and returns the reads of unwritten slots.
std::vector<UnsetRead> walk(std::span<const RawInsn> program,
                            std::vector<std::uint16_t>& written_at) {
  std::vector<UnsetRead> reads;
  std::uint16_t written = 0;
  for (std::size_t pc = 0; pc < program.size(); ++pc) {
    const RawInsn& insn = program[pc];
    written &= written_at[pc];
    const auto slot = static_cast<std::uint16_t>(insn.k < kScratchSlots ? 1U << insn.k : 0U);
    if (insn.code == opcode::kSt || insn.code == opcode::kStx) {
      written |= slot;
    } else if (insn.code == (opcode::kLd | opcode::kMem) ||
               insn.code == (opcode::kLdx | opcode::kMem)) {
      if ((slot & ~written) != 0) {
        reads.push_back({.pc = pc, .slot = static_cast<std::uint8_t>(insn.k)});
      }
    } else if (is_jump(insn)) {
      const auto [if_true, if_false] = skips_of(insn);
      for (const std::int64_t skip : {if_true, if_false}) {
        written_at[pc + 1 + static_cast<std::size_t>(skip)] &= written;
      }
      written = kAll;
    }
  }
  return reads;
}

}  // namespace

std::optional<std::vector<UnsetRead>> unset_scratch_reads(std::span<const RawInsn> program) {
  if (!jumps_stay_inside(program)) {
    return std::nullopt;
  }
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

// SPDX-License-Identifier: BSD-3-Clause

#include "bench/programs/programs.h"

#include <linux/bpf.h>

namespace bench {

std::uint64_t next_random(std::uint64_t random) {
  random ^= random << 13;
  random ^= random >> 7;
  random ^= random << 17;
  return random;
}

void bind_table(Program& program, int map_fd) {
  constexpr std::uint8_t kLoadDouble = BPF_LD | BPF_DW | BPF_IMM;
  for (std::size_t i = 0; i + 1 < program.size(); ++i) {
    const std::uint64_t low = static_cast<std::uint32_t>(program[i].immediate);
    const std::uint64_t high = static_cast<std::uint32_t>(program[i + 1].immediate);
    if (program[i].opcode == kLoadDouble && (high << 32 | low) == kTablePlaceholder) {
      program[i].registers |= BPF_PSEUDO_MAP_VALUE << 4;
      program[i].immediate = map_fd;
      program[i + 1].immediate = 0;  // offset in the value
    }
  }
}

}  // namespace bench

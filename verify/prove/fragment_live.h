// SPDX-License-Identifier: BSD-3-Clause
//
// Control flow of eBPF, and which registers may still be read: the others need not be kept where
// paths meet.

#pragma once

#include <cbpfc/ebpf.h>

#include <cstdint>
#include <span>
#include <vector>

namespace cbpfc::prove {

/// Bit i: Ri.
using RegisterSet = unsigned;

/// The instruction a jump at `at` goes to, which may be outside the program.
std::ptrdiff_t jump_target(const ebpf::Insn& insn, std::size_t at);

bool is_jump(const ebpf::Insn& insn);         ///< with a distance: neither a call nor an exit
bool is_conditional(const ebpf::Insn& insn);  ///< a jump that may fall through
bool is_exit(const ebpf::Insn& insn);

/// The registers an instruction writes.
RegisterSet written_by(const ebpf::Insn& insn);

/// What may be read from each instruction on, and behind the last; `at_end` is read where it stops.
std::vector<RegisterSet> live_before(std::span<const ebpf::Insn> insns, RegisterSet at_end);

}  // namespace cbpfc::prove

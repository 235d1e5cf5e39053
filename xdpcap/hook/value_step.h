// SPDX-License-Identifier: BSD-3-Clause
//
// What one eBPF instruction does to the values that are known (value_flow.h), and where control goes then.
//
// Instructions are those of a loaded program as the kernel shows it: translated, with ids of maps.  An instruction of which
// this does not know where it leads is an end of knowledge, not an error.
//
// Source: Linux v6.18 Documentation/bpf/standardization/instruction-set.rst; kernel/bpf/verifier.c do_misc_fixups() for the
// instructions that only the kernel makes.

#pragma once

#include <cbpfc/ebpf.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "xdpcap/hook/value_flow.h"

namespace xdpcap {

/// Arguments of a tail call, by register.
inline constexpr std::size_t kMapArgument = 2;
inline constexpr std::size_t kIndexArgument = 3;

bool is_call(const cbpfc::ebpf::Insn& insn);
/// A call of one of the program's own functions, which starts `offset` + 1 behind.
bool is_function_call(const cbpfc::ebpf::Insn& insn);
/// A 64-bit load of the distance to one of the program's own functions, from the instruction behind it.
bool is_function_address(const cbpfc::ebpf::Insn& insn);
bool is_exit(const cbpfc::ebpf::Insn& insn);
/// Whether an instruction takes two places.
bool is_wide(const cbpfc::ebpf::Insn& insn);
/// A kernel that hides addresses shows every call as one of helper 0; only a tail call has a map as second argument.
bool is_tail_call(const cbpfc::ebpf::Insn& insn, const ValueState& state);
/// Whether an instruction writes to memory that is not the stack.
bool writes_elsewhere(const cbpfc::ebpf::Insn& insn, const ValueState& state);

struct Successor {
  std::size_t point = 0;  ///< may be outside of the program
  std::optional<std::pair<Value, std::uint32_t>> known =
      {};  ///< a symbol that is a constant on this way
};

/// Does the instruction at `point`, and says what may follow; empty at the end of a function, nullopt where this is not
/// known.
std::optional<std::vector<Successor>> step(std::span<const cbpfc::ebpf::Insn> insns,
                                           std::size_t point, ValueState& state);

/// The instruction that a jump or call at `point` leads to; outside of the program where that is wrong.
constexpr std::size_t after_jump(std::size_t point, std::int64_t distance) {
  return point + 1 + static_cast<std::size_t>(distance);
}

}  // namespace xdpcap

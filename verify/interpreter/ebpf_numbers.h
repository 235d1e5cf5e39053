// SPDX-License-Identifier: BSD-3-Clause
//
// eBPF's arithmetic and comparisons on numbers, as the instruction set defines them.  A failure says
// why the kernel would refuse the instruction.

#pragma once

#include <cbpfc/ebpf.h>

#include <cstdint>
#include <expected>
#include <span>
#include <string>

namespace cbpfc::ebpf {

template <typename T>
using OrReason = std::expected<T, std::string>;

std::string unknown_opcode(const Insn& insn);

/// Whether arithmetic is done on 64 bits.
bool is_64(const Insn& insn);

/// The low `bits` of `value`, the others 0.
std::uint64_t low_bits(std::uint64_t value, unsigned bits);

/// What the bytes mean in the order of the machine.
std::uint64_t load_le(std::span<const std::uint8_t> bytes);

/// `left` op `right`, for all arithmetic but moves and byte swaps; negation takes `left`.
OrReason<std::uint64_t> compute(const Insn& insn, std::uint64_t left, std::uint64_t right);

/// be, le (to and from the host's order are the same), and the swap of cpu v4.
OrReason<std::uint64_t> swap_bytes(const Insn& insn, std::uint64_t value);

/// Whether a conditional jump is taken.
OrReason<bool> compare(const Insn& insn, std::uint64_t left, std::uint64_t right);

}  // namespace cbpfc::ebpf

// SPDX-License-Identifier: BSD-3-Clause
//
// eBPF's arithmetic on terms.

#pragma once

#include <cbpfc/ebpf.h>

#include <expected>
#include <string>

#include "verify/prove/terms.h"

namespace cbpfc::prove {

/// The result of an instruction of arithmetic on 64-bit terms; or why the kernel refuses it.  Moves
/// and byte swaps are among them.
std::expected<z3::expr, std::string> compute(Terms& terms, const ebpf::Insn& insn,
                                             const z3::expr& left, const z3::expr& right);

/// When a conditional jump is taken, given 64-bit terms.
std::expected<z3::expr, std::string> taken(Terms& terms, const ebpf::Insn& insn,
                                           const z3::expr& left, const z3::expr& right);

}  // namespace cbpfc::prove

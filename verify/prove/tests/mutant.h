// SPDX-License-Identifier: BSD-3-Clause
//
// Faults as a compiler makes them, put into emitted instructions.

#pragma once

#include <cbpfc/ebpf.h>

#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace cbpfc::prove {

struct Mutant {
  std::vector<ebpf::Insn> insns;
  std::string what;  ///< the kind of fault
  std::size_t at = 0;
};

/// One fault in one instruction; none when the one it chose has no such fault.  The number of
/// instructions stays.
std::optional<Mutant> mutate(std::span<const ebpf::Insn> insns, std::mt19937_64& random);

}  // namespace cbpfc::prove

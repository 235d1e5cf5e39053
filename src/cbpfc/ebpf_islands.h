// SPDX-License-Identifier: BSD-3-Clause
//
// The last step of assembling: jump distances, with islands where a distance is too long.

#pragma once

#include <cbpfc/ebpf.h>

#include <cstddef>
#include <vector>

namespace cbpfc::ebpf {

/// A program whose jumps name their target by number.
struct Unplaced {
  struct Jump {
    std::size_t insn;
    std::size_t label;
    bool may_turn = false;  ///< a branch whose two ways may change places
  };
  std::vector<Insn> insns;
  std::vector<Jump> jumps;          ///< in the order of their instructions
  std::vector<std::size_t> labels;  ///< label number -> instruction, one behind the last at most
};

/// The instructions with every distance filled in, and islands between them.
/// Errors: Errc::TooLarge when there are more distant targets than islands can serve.
Result<std::vector<Insn>> place(const Unplaced& program);

}  // namespace cbpfc::ebpf

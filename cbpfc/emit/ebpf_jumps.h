// SPDX-License-Identifier: BSD-3-Clause
//
// What assembling does with jumps, in the order of the functions here.

#pragma once

#include <cbpfc/ebpf.h>

#include <cstddef>
#include <cstdint>
#include <optional>
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

bool is_goto(const Insn& insn);

/// The opcode of the comparison that holds exactly when this one does not; nullopt where there is none.
std::optional<std::uint8_t> inverse(std::uint8_t code);

struct NewGoto {
  std::size_t
      before;  ///< the instruction it stands in front of; labels there lead to the instruction
  std::size_t label;  ///< where it goes
};

/// Puts gotos in, which are in the order of their places.  Each gets a label, numbered on from those there are.
void insert_gotos(Unplaced& program, const std::vector<NewGoto>& gotos);

/// Turns "if a == b goto here; goto there; here:" into "if a != b goto there; here:" where the branch may be
/// turned and `there` lies below.  What it makes needless becomes an empty jump.
void turn_branches(Unplaced& program);

/// Takes out jumps to what follows anyway, as a fragment's last one is when its label comes next.
void remove_empty_jumps(Unplaced& program);

/// Turns branches so that the verifier keeps no more ways for later than it may, as far as that can be had
/// (ebpf_pending.cc).
void limit_pending(Unplaced& program);

/// The instructions with every distance filled in, and islands between them (ebpf_islands.cc).
/// Errors: Errc::TooLarge when there are more distant targets than islands can serve.
Result<std::vector<Insn>> place(Unplaced program);

}  // namespace cbpfc::ebpf

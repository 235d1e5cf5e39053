// SPDX-License-Identifier: BSD-3-Clause
//
// Which way of each branch the verifier takes first, where it would keep too many for later.
//
// At a branch it goes on with the instruction behind and keeps the jump's target for later; of those it keeps no
// more than 8,192.  In a long list of tests that matters:
//
//     if a != 1 goto next_1       it keeps next_1 ...
//     goto match
//     next_1:                     ... and comes to it when it has seen the match: never more than one
//
//     if a == 1 goto match        here it keeps one for each test, and gives up after 8,192
//     if a == 2 goto match
//
// So where a program could come to that, a branch jumps to where there is more to keep:
//
//     if a == 1 goto match        =>       if a != 1 goto next
//     ...                                  goto match
//                                    next: ...
//
// A test that leads to the rest of the list by several ways, such as the four words of an IPv6 address, then takes
// one place, not four; nothing can be done about the one.  It costs an instruction more on one of the ways, and is
// done from the program's start on only as far as is needed: most programs have no need.
//
// Counted are the places of a walk that looks at every way to its end.  The verifier stops where it comes to what it
// has seen, and so needs no more than that.
//
// Does not: turn what has no inverse ("any bit set"); shorten what leads to the rest by both ways.
// Cost: one sweep up, a few more in programs that need it.
// Source: Linux v6.18 kernel/bpf/verifier.c push_stack(), BPF_COMPLEXITY_LIMIT_JMP_SEQ.
// Tested by: ebpf_test.cc, verify/differential/limits_test.cc, verify/differential/lists_test.cc.

#include <algorithm>
#include <limits>
#include <ranges>

#include "cbpfc/emit/ebpf_jumps.h"
#include "cbpfc/emit/ebpf_opcodes.h"

namespace cbpfc::ebpf {
namespace {

/// What it may keep, less a few for the code that a fragment becomes a part of.
constexpr std::size_t kMostPending = 8'000;

/// For each instruction the most ways kept from there on, and the branches that have to be turned for it.
struct Walk {
  std::vector<std::uint32_t> pending;
  std::vector<std::uint32_t> turned;  ///< as numbers of jumps, the last first
};

/// Turns branches where more than `free` ways would be kept from there on.
Walk walk(const Unplaced& program, std::size_t free) {
  Walk result{.pending = std::vector<std::uint32_t>(program.insns.size() + 1, 0), .turned = {}};
  std::vector<std::uint32_t>& pending = result.pending;
  std::size_t jump = program.jumps.size();
  for (std::size_t insn = program.insns.size(); insn-- > 0;) {
    const std::uint32_t behind = pending[insn + 1];
    if (jump == 0 || program.jumps[jump - 1].insn != insn) {
      pending[insn] = program.insns[insn].opcode == (opcode::kJmp | opcode::kExit) ? 0 : behind;
      continue;
    }
    const std::size_t target = program.labels[program.jumps[--jump].label];
    const std::uint32_t there = target > insn ? pending[target] : 0;  // a loop has been seen
    if (is_goto(program.insns[insn])) {
      pending[insn] = there;
      continue;
    }
    pending[insn] = std::max(behind + 1, there);
    if (pending[insn] > free && behind > there && inverse(program.insns[insn].opcode)) {
      pending[insn] = std::max(behind, there + 1);
      result.turned.push_back(static_cast<std::uint32_t>(jump));
    }
  }
  return result;
}

/// "if a == b goto there" becomes "if a != b goto behind; goto there; behind:".
void turn(Unplaced& program, const std::vector<std::uint32_t>& turned) {
  std::vector<NewGoto> ways_out;
  for (const std::uint32_t number : turned | std::views::reverse) {
    Unplaced::Jump& jump = program.jumps[number];
    Insn& insn = program.insns[jump.insn];
    insn.opcode = *inverse(insn.opcode);
    ways_out.push_back({.before = jump.insn + 1, .label = jump.label});
    jump.label = program.labels.size();
    program.labels.push_back(jump.insn + 1);
  }
  insert_gotos(program, ways_out);
}

}  // namespace

void limit_pending(Unplaced& program) {
  if (walk(program, std::numeric_limits<std::size_t>::max()).pending.front() <= kMostPending) {
    return;
  }
  Walk found;
  std::size_t free = kMostPending;
  do {
    free /= 2;
    found = walk(program, free);
  } while (found.pending.front() > kMostPending && free > 0);
  turn(program, found.turned);
}

}  // namespace cbpfc::ebpf

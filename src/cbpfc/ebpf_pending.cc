// SPDX-License-Identifier: BSD-3-Clause

#include "ebpf_pending.h"

#include <algorithm>
#include <limits>

#include "ebpf_branches.h"
#include "ebpf_opcodes.h"

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
  std::vector<Insn> insns;
  std::vector<Unplaced::Jump> jumps;
  std::vector<std::size_t> moved;
  std::vector<std::size_t> behind;  ///< the labels that are new
  insns.reserve(program.insns.size() + turned.size());
  moved.reserve(program.insns.size() + 1);
  std::size_t jump = 0;
  auto next_turned = turned.rbegin();
  for (std::size_t insn = 0; insn < program.insns.size(); ++insn) {
    moved.push_back(insns.size());
    insns.push_back(program.insns[insn]);
    if (jump == program.jumps.size() || program.jumps[jump].insn != insn) {
      continue;
    }
    Unplaced::Jump moved_jump = program.jumps[jump];
    moved_jump.insn = insns.size() - 1;
    if (next_turned != turned.rend() && *next_turned == jump) {
      ++next_turned;
      insns.back().opcode = *inverse(insns.back().opcode);
      const Unplaced::Jump way_out{.insn = insns.size(), .label = moved_jump.label};
      moved_jump.label = program.labels.size() + behind.size();
      insns.push_back(Insn{.opcode = opcode::kJmp | opcode::kJa});
      behind.push_back(insns.size());
      jumps.push_back(moved_jump);
      jumps.push_back(way_out);
    } else {
      jumps.push_back(moved_jump);
    }
    ++jump;
  }
  moved.push_back(insns.size());
  for (std::size_t& label : program.labels) {
    label = moved[label];
  }
  program.labels.insert(program.labels.end(), behind.begin(), behind.end());
  program.insns = std::move(insns);
  program.jumps = std::move(jumps);
}

}  // namespace

std::size_t most_pending(const Unplaced& program) {
  return walk(program, std::numeric_limits<std::size_t>::max()).pending.front();
}

void limit_pending(Unplaced& program) {
  if (most_pending(program) <= kMostPending) {
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

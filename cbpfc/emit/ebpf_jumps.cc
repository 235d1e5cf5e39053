// SPDX-License-Identifier: BSD-3-Clause
//
// What can only be seen once every label is placed, the caller's, too: which way of a question falls through.
//
// A question at the end of a fragment goes to one of two labels of the caller's, and which of them comes next
// is the caller's affair:
//
//     if r4 == 8 goto match          if r4 != 8 goto no_match
//     goto no_match                                              (a jump less where it matches)
//     match:                         match:
//
// Only branches that say so are turned.  The verifier explores what falls through first and keeps what it saw
// there to compare other ways with; code that was arranged for it, as that of loops, is left as it is.
//
// Source: Linux v6.18 kernel/bpf/verifier.c check_cond_jmp_op().  Tested by: ebpf_test.cc.

#include "cbpfc/emit/ebpf_jumps.h"

#include <algorithm>
#include <optional>

#include "cbpfc/emit/ebpf_opcodes.h"

namespace cbpfc::ebpf {

bool is_goto(const Insn& insn) {
  return insn.opcode == (opcode::kJmp | opcode::kJa);
}

std::optional<std::uint8_t> inverse(std::uint8_t code) {
  const auto with = [&](Cmp condition) {
    return static_cast<std::uint8_t>((code & ~opcode::kOpMask) | static_cast<int>(condition));
  };
  switch (static_cast<Cmp>(code & opcode::kOpMask)) {
    case Cmp::Equal: return with(Cmp::NotEqual);
    case Cmp::NotEqual: return with(Cmp::Equal);
    case Cmp::Greater: return with(Cmp::LessEqual);
    case Cmp::LessEqual: return with(Cmp::Greater);
    case Cmp::GreaterEqual: return with(Cmp::Less);
    case Cmp::Less: return with(Cmp::GreaterEqual);
    case Cmp::Any: break;
  }
  return std::nullopt;
}

void insert_gotos(Unplaced& program, const std::vector<NewGoto>& gotos) {
  std::vector<Insn> insns;
  std::vector<Unplaced::Jump> jumps;
  std::vector<std::size_t> moved;  // by the instruction's old place
  std::vector<std::size_t> new_labels;
  insns.reserve(program.insns.size() + gotos.size());
  auto next = gotos.begin();
  auto jump = program.jumps.begin();
  for (std::size_t insn = 0; insn <= program.insns.size(); ++insn) {
    for (; next != gotos.end() && next->before == insn; ++next) {
      new_labels.push_back(insns.size());
      jumps.push_back({.insn = insns.size(), .label = next->label});
      insns.push_back({.opcode = opcode::kJmp | opcode::kJa});
    }
    moved.push_back(insns.size());
    if (jump != program.jumps.end() && jump->insn == insn) {
      jump->insn = insns.size();
      jumps.push_back(*jump++);
    }
    if (insn < program.insns.size()) {
      insns.push_back(program.insns[insn]);
    }
  }
  for (std::size_t& label : program.labels) {
    label = moved[label];
  }
  program.labels.insert(program.labels.end(), new_labels.begin(), new_labels.end());
  program.insns = std::move(insns);
  program.jumps = std::move(jumps);
}

void turn_branches(Unplaced& program) {
  std::vector<bool> is_target(program.insns.size() + 1, false);
  for (const Unplaced::Jump& jump : program.jumps) {
    is_target[program.labels[jump.label]] = true;
  }
  // Jumps are in the order of their instructions, so a goto behind a branch is the next one.
  for (std::size_t i = 0; i + 1 < program.jumps.size(); ++i) {
    Unplaced::Jump& branch = program.jumps[i];
    Unplaced::Jump& way_out = program.jumps[i + 1];
    Insn& insn = program.insns[branch.insn];
    if (!branch.may_turn || is_goto(insn) || way_out.insn != branch.insn + 1 ||
        !is_goto(program.insns[way_out.insn]) || is_target[way_out.insn] ||
        program.labels[branch.label] != way_out.insn + 1 ||
        program.labels[way_out.label] <= way_out.insn) {
      continue;
    }
    if (const auto opposite = inverse(insn.opcode)) {
      insn.opcode = *opposite;
      std::swap(branch.label, way_out.label);
    }
  }
}

void remove_empty_jumps(Unplaced& program) {
  constexpr std::size_t kNoJump = ~std::size_t{0};
  std::vector<std::size_t> target(program.insns.size(), kNoJump);
  for (const Unplaced::Jump& jump : program.jumps) {
    if (is_goto(program.insns[jump.insn])) {
      target[jump.insn] = program.labels[jump.label];
    }
  }
  // Upwards, so that what follows a jump is known: the first instruction behind it that stays.
  std::vector<bool> stays(program.insns.size(), true);
  std::size_t next = program.insns.size();
  for (std::size_t insn = program.insns.size(); insn-- > 0;) {
    stays[insn] = target[insn] == kNoJump || target[insn] <= insn || target[insn] > next;
    next = stays[insn] ? insn : next;
  }
  std::vector<std::size_t> moved(program.insns.size() + 1, 0);
  std::vector<Insn> kept;
  for (std::size_t insn = 0; insn < program.insns.size(); ++insn) {
    moved[insn] = kept.size();
    if (stays[insn]) {
      kept.push_back(program.insns[insn]);
    }
  }
  moved.back() = kept.size();
  std::erase_if(program.jumps, [&](const Unplaced::Jump& jump) { return !stays[jump.insn]; });
  for (Unplaced::Jump& jump : program.jumps) {
    jump.insn = moved[jump.insn];
  }
  for (std::size_t& label : program.labels) {
    label = moved[label];
  }
  program.insns = std::move(kept);
}

}  // namespace cbpfc::ebpf

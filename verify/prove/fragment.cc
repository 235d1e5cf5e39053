// SPDX-License-Identifier: BSD-3-Clause
//
// One visit a block; machine.cc executes what is in it.
//
// Paths that meet with the same kinds in their registers become one.  Where a register that will be read
// holds a pointer on one and a number on another, they are followed separately, as the verifier
// does.
// Tested by: prove_test.cc, mutation_test.cc.

#include "verify/prove/fragment.h"

#include <fmt/core.h>

#include <algorithm>

#include "verify/prove/flow.h"
#include "verify/prove/fragment_live.h"
#include "verify/prove/machine.h"

namespace cbpfc::prove {
namespace {

class FragmentFollower {
 public:
  FragmentFollower(Terms& terms, SymbolicPacket& packet, const Claim& claim,
                   const Unrolling& unrolling)
      : terms_(terms),
        claim_(claim),
        insns_(claim.insns),
        unrolling_(unrolling),
        machine_(terms, packet, claim),
        live_(live_before(insns_, read_at_end())),
        is_target_(insns_.size() + 1),
        gates_(terms.context()) {
    is_target_[insns_.size()] = true;
    for (std::size_t at = 0; at < insns_.size(); ++at) {
      const std::ptrdiff_t target = is_jump(insns_[at]) ? jump_target(insns_[at], at) : -1;
      if (target >= 0 && target < static_cast<std::ptrdiff_t>(insns_.size())) {
        is_target_[static_cast<std::size_t>(target)] = true;
      }
    }
  }

  Result<Outcome> run() {
    const z3::expr always = terms_.truth(true);
    flow_.arrive(0, 0, {Gates::kEntry, always, always}, machine_.entry());
    while (!flow_.done()) {
      const auto visit = flow_.next();
      round_ = visit.round;
      for (const Visit& alike : by_kinds(visit)) {
        const Meeting meeting = gates_.meet(alike.edges);
        const z3::expr path = terms_.define(terms_.any(meeting.paths()));
        if (!goes_on(path, alike.insn)) {
          continue;
        }
        machine_.resume(merge(alike, meeting), path);
        run_block(alike.insn);
        if (machine_.error()) {
          return std::unexpected(*machine_.error());
        }
      }
    }
    outcome_.violations = std::move(machine_.violations());
    return std::move(outcome_);
  }

 private:
  using Visit = Flow<MachineState>::Visit;

  RegisterSet read_at_end() const {
    return claim_.labels ? RegisterSet{0} : 1U << static_cast<unsigned>(claim_.result);
  }

  bool goes_on(const z3::expr& path, std::size_t insn) {
    if (round_ == 0) {
      return true;
    }
    if (!unrolling_.may_hold(path)) {
      return false;
    }
    if (round_ <= unrolling_.max_rounds) {
      return true;
    }
    outcome_.overruns.push_back(
        {path, insn,
         fmt::format("the eBPF loop at instruction {} runs more than {} rounds", insn,
                     unrolling_.max_rounds)});
    return false;
  }

  bool alike(const MachineState& left, const MachineState& right, RegisterSet live) const {
    for (std::size_t reg = 0; reg < left.registers.size(); ++reg) {
      const Value& a = left.registers[reg];
      const Value& b = right.registers[reg];
      if ((live >> reg & 1U) != 0 && (a.kind != b.kind || a.offset != b.offset)) {
        return false;
      }
    }
    return true;
  }

  /// The edges of a visit, apart where they bring different kinds.
  std::vector<Visit> by_kinds(const Visit& visit) const {
    std::vector<Visit> groups;
    for (std::size_t i = 0; i < visit.states.size(); ++i) {
      auto group = std::ranges::find_if(groups, [&](const Visit& g) {
        return alike(g.states[0], visit.states[i], live_[visit.insn]);
      });
      if (group == groups.end()) {
        groups.push_back({visit.round, visit.insn, {}, {}});
        group = std::prev(groups.end());
      }
      group->edges.push_back(visit.edges[i]);
      group->states.push_back(visit.states[i]);
    }
    return groups.size() <= kMostGroups ? groups : std::vector{visit};
  }

  MachineState merge(const Visit& visit, const Meeting& meeting) const {
    MachineState merged = visit.states[0];
    if (visit.states.size() == 1) {
      return merged;
    }
    for (std::size_t reg = 0; reg < merged.registers.size(); ++reg) {
      if ((live_[visit.insn] >> reg & 1U) == 0) {
        merged.registers[reg] = {};
        continue;
      }
      std::vector<Value> values;
      values.reserve(visit.states.size());
      for (const MachineState& state : visit.states) {
        values.push_back(state.registers[reg]);
      }
      merged.registers[reg] = choose(terms_, meeting, values);
    }
    std::vector<const SymbolicStack*> stacks;
    stacks.reserve(visit.states.size());
    for (const MachineState& state : visit.states) {
      stacks.push_back(&state.stack);
    }
    merged.stack = SymbolicStack::choose(terms_, meeting, stacks);
    return merged;
  }

  /// From `at` to a jump, an end, or the next place where paths meet.
  void run_block(std::size_t at) {
    for (bool first = true; first || !is_target_[at]; first = false) {
      if (ends_at(at) || jumps_at(at)) {
        return;
      }
      const bool two = insns_[at].opcode == kTwoInsns;
      const ebpf::Insn* next = at + 1 < insns_.size() ? &insns_[at + 1] : nullptr;
      machine_.step(insns_[at], next, at);
      if (machine_.stopped()) {
        return;
      }
      at += two ? 2 : 1;
    }
    flow_.jump(round_, at - 1, at, {gates_.number(), machine_.path(), terms_.truth(true)},
               machine_.state());
  }

  void end(const z3::expr& value) {
    if (!machine_.stopped()) {
      outcome_.endings.push_back({machine_.path(), value});
    }
  }

  /// Ends the path if the fragment ends here.
  bool ends_at(std::size_t at) {
    if (claim_.labels && (at == claim_.labels->match || at == claim_.labels->no_match)) {
      end(terms_.number(at == claim_.labels->match ? 1 : 0, 64));
      return true;
    }
    const bool behind_last = at == insns_.size();
    if (!behind_last && !is_exit(insns_[at])) {
      return false;
    }
    if (claim_.labels) {
      machine_.at(at);
      machine_.violate("ends elsewhere than at the two labels");
      return true;
    }
    if (!behind_last) {
      static_cast<void>(machine_.number_in(0, at));  // the kernel wants R0 written
    }
    end(machine_.number_in(static_cast<std::size_t>(claim_.result), at));
    return true;
  }

  /// Follows both ways of a jump.
  bool jumps_at(std::size_t at) {
    const ebpf::Insn& insn = insns_[at];
    if (!is_jump(insn)) {
      return false;
    }
    machine_.at(at);
    const std::ptrdiff_t target = jump_target(insn, at);
    if (target < 0 || target > static_cast<std::ptrdiff_t>(insns_.size())) {
      machine_.violate("jumps out of the fragment");
      return true;
    }
    const bool conditional = is_conditional(insn);
    if (!conditional && insn.opcode != kJump) {
      machine_.violate(fmt::format("unknown opcode 0x{:02x}", insn.opcode));
      return true;
    }
    const z3::expr taken = conditional ? machine_.jump_condition(insn, at) : terms_.truth(true);
    if (!machine_.stopped()) {
      go(at, static_cast<std::size_t>(target), taken);
      go(at, at + 1, terms_.negation(taken));
    }
    return true;
  }

  void go(std::size_t at, std::size_t target, const z3::expr& condition) {
    const z3::expr path = terms_.define(terms_.both(machine_.path(), condition));
    flow_.jump(round_, at, target, {gates_.number(), path, condition}, machine_.state());
  }

  static constexpr std::size_t kMostGroups = 8;  ///< more would be too many paths
  static constexpr std::uint8_t kTwoInsns = 0x18;
  static constexpr std::uint8_t kJump = 0x05;

  Terms& terms_;
  const Claim& claim_;
  std::span<const ebpf::Insn> insns_;
  const Unrolling& unrolling_;
  SymbolicMachine machine_;
  std::vector<RegisterSet> live_;
  std::vector<bool> is_target_;
  Flow<MachineState> flow_;
  Gates gates_;
  std::size_t round_ = 0;
  Outcome outcome_;
};

}  // namespace

Result<Outcome> follow_fragment(Terms& terms, SymbolicPacket& packet, const Claim& claim,
                                const Unrolling& unrolling) {
  return FragmentFollower(terms, packet, claim, unrolling).run();
}

}  // namespace cbpfc::prove

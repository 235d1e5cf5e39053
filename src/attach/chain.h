// SPDX-License-Identifier: BSD-3-Clause
//
// The captures on one hook, in a row: how one enters, and how one leaves wherever it stands.
//
// chain_state.h says what a chain is made of.  Entering at the front, for each action:
//
//     1  programs[position] = ours            nobody goes there yet
//     2  next[position] = head                ours goes on to whoever is first
//     3  head = position                      dispatchers come to ours
//     4  slot = ours                          every packet does
//
// What is in the slot and not ours goes to kForeignPosition before that, and is called last.  Leaving:
//
//     1  whoever goes on to position, or head, goes on to next[position]
//     2  slot, if it holds ours: a dispatcher; with nobody left, what was there before, or nothing
//     3  wait until no CPU can still be on its way to ours
//     4  programs[position] = nothing
//
// After each step every packet meets every other capture, once, and gets its action; so a process may die between any two,
// and somebody else does the rest: leave() starts from whatever it finds, and does nothing twice.
//
// A foreign program that somebody puts into a slot meanwhile, as the original xdpcap does, takes the place of the chain; one that
// empties the slot, as that does at its end, unhooks it.  repair() undoes both: the foreign program is called last, respectively
// forgotten.
//
// Needs: CAP_SYS_ADMIN to call foreign programs, since only it turns the id in a slot into a descriptor.
// Limits: kMostCaptures at a time.  The kernel lets go of all of a chain when the last process that has its maps is gone:
// then a foreign program in it is not called any more.  Linux 5.5 (maps in memory), 5.2 (their addresses in programs).
// Source: Linux v6.18 kernel/bpf/arraymap.c prog_array_map_clear(), kernel/bpf/core.c __bpf_prog_map_compatible().
// Tested by: tests/kernel/chain_test.cc, tests/kernel/faults/crowd_test.cc.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attach/chain_records.h"
#include "attach/chain_state.h"
#include "attach/hook.h"
#include "attach/hook_variant.h"
#include "kernel/process.h"
#include "kernel/unique_fd.h"

namespace xdpcap {

/// All that a chain is made of; whoever has it can enter, leave, and take others out.
struct ChainParts {
  UniqueFd state;
  UniqueFd programs;
  std::vector<UniqueFd> dispatchers;  ///< by action, one for each slot of the hook
};

/// Parts in the order of Chain::descriptors().
ChainParts parts_from(std::vector<UniqueFd> descriptors);

/// What was found in a slot, and done about it.
struct Repair {
  enum class Kind {
    Emptied,     ///< the slot was empty; the chain is in it again
    Taken,       ///< a foreign program was in it; it is called last now
    Lost,        ///< a foreign program is in it, and cannot be opened: no CAP_SYS_ADMIN
    OtherChain,  ///< captures of another chain are in it; left alone
    Unlinked,    ///< the capture was not in its chain; it is again
  };
  Kind kind = Kind::Emptied;
  Action action = Action::Aborted;
  std::string holder;  ///< "program 12 (xdpcap)", if there is one
};

class Chain {
 public:
  /// Makes a chain without captures.  The hook stays as it is.
  /// Ownership: borrows `hook`, which must outlive the chain.
  static Result<Chain> create(const Hook& hook, const Variant& variant);

  /// Takes part in one that exists.
  /// Errors: Unsupported when it is of another version; InvalidArgument when these are not the parts of a chain on `hook`.
  static Result<Chain> adopt(const Hook& hook, ChainParts parts);

  /// Of its parts, to be handed to another process.
  std::vector<int> descriptors() const;

  int state_fd() const { return parts_.state.get(); }
  int programs_fd() const { return parts_.programs.get(); }

  /// Who captures here, by position.  Needs no turn.
  std::vector<ChainMember> members() const { return records_.members(); }
  std::optional<ChainMember> member(std::uint32_t position) const {
    return records_.member(position);
  }
  /// Whether a program in the slot of `action` is one of this chain.
  Result<bool> is_ours(Action action, std::uint32_t program_id) const;

  // With the hook's turn (HookLock):

  /// Takes a free position for a process.
  /// Units: `member` with all but position and state; texts are cut where there is no room.
  /// Errors: Busy when there is none.
  Result<std::uint32_t> reserve(const ChainMember& member);

  /// Opens the foreign programs that are in the slots of these actions now, while this process may.  Sentences on them.
  /// Errors: Permission, Busy as of enter().
  Result<std::vector<std::string>> open_foreign(const std::vector<Action>& actions);

  /// Links capture programs, by action, into the chain, at the place that `process` has reserved.  `takes_over`: a foreign program in a slot is not called any more.
  /// Errors: Permission when there is a foreign program that cannot be opened; Busy when somebody else changed
  /// the slot at the same time, or made this capture leave; Kernel.  Then the caller leaves.
  Result<void> enter(std::uint32_t position, const ProcessIdentity& process,
                     const std::map<Action, int>& programs, bool takes_over = false);

  /// Puts other programs into the places of those that entered.
  /// Errors: Busy when the capture has been taken out of the chain; Kernel.
  Result<void> replace(std::uint32_t position, const ProcessIdentity& process,
                       const std::map<Action, int>& programs);

  /// Takes the capture at `position` out of the chain and frees the position, if it is that of `process`; when
  /// this returns none of its programs runs.  Does as much as it can also after an error, which is the first.
  Result<void> leave(std::uint32_t position, const ProcessIdentity& process);

  /// The same for some actions only: the capture stays where it is with the others.
  Result<void> withdraw(std::uint32_t position, const ProcessIdentity& process,
                        const std::vector<Action>& actions);

  /// Puts right what others have done to a slot of the capture at `position`; nullopt: nothing was wrong.
  Result<std::optional<Repair>> repair(std::uint32_t position, Action action);

  // Without:

  /// Slots of the capture at `position` that hold no program of this chain, or whose packets do not reach it.
  Result<std::vector<Action>> wrong_slots(std::uint32_t position) const;

  /// Asks a capture to leave; its guardian sees it within a quarter of a second.
  void tell_to_leave(std::uint32_t position, chain::Reason why) const;
  /// Says that a guardian lives.
  void beat(std::uint32_t position) const;

 private:
  Chain() = default;
  chain::ChainState& state() const { return records_.state(); }
  chain::Member& record(std::uint32_t position) const;
  std::uint32_t& next(Action action, std::uint32_t position) const;
  std::uint32_t& head(Action action) const;
  std::vector<std::uint32_t> row(Action action) const;
  Result<void> check_place(std::uint32_t position, const ProcessIdentity& process) const;
  Result<std::optional<std::uint32_t>> in_slot(Action action) const;
  Result<std::optional<std::uint32_t>> in_place(Action action, std::uint32_t position) const;
  Result<void> put_in_slot(Action action, int program_fd) const;

  Result<UniqueFd> open_foreign_program(Action action, std::uint32_t program_id) const;
  Error explain(Error error, Action action, std::uint32_t holder) const;
  Result<void> take_in(Action action, std::uint32_t program_id);
  void append_foreign(Action action) const;
  Result<void> drop_foreign(Action action);
  Result<void> forget_gone_foreign(Action action);
  Result<void> restore_foreign(Action action);
  Result<void> enter_action(std::uint32_t position, Action action, int program_fd, bool takes_over);
  void unlink(std::uint32_t position, Action action) const;
  Result<void> settle_slot(Action action);
  Result<void> leave_action(std::uint32_t position, Action action);
  Result<void> free_places(std::uint32_t position, Action action);
  Result<bool> is_right(std::uint32_t position, Action action) const;

  struct Foreign {
    UniqueFd program;
    std::uint32_t id = 0;
  };

  const Hook* hook_ = nullptr;
  ChainParts parts_;
  ChainRecords records_;
  std::map<Action, Foreign> foreign_;  ///< to be put back
  std::map<Action, Foreign> opened_;   ///< by open_foreign()
};

}  // namespace xdpcap

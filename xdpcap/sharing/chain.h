// SPDX-License-Identifier: BSD-3-Clause
//
// The captures on one hook, in a row: how one enters, and how one leaves wherever it stands.
//
// chain_state.h says what a chain is made of, chain_directory.h where it is.  Entering at a position, for each action:
//
//     1  programs[position] = ours         no packet goes there yet
//     2  bit of the position               earlier ones hand packets on to ours
//     3  slot = that of the front          only if that is another one now
//
// Positions are taken from 7 downwards, so that a newcomer usually is the front.  What is in the slot and not ours goes to
// kForeignPosition before that, and is called last.  Leaving:
//
//     1  the bit                           no capture hands on to ours
//     2  slot, if it holds ours            = the next one, or the foreign program, or nothing
//     3  wait until no CPU can still be on its way to ours: its numbers are final
//     4  programs[position] = nothing; pins; the directory, if it was the last
//
// After each step every packet meets every other capture, once, and gets its action; so a process may die between any two, and
// another one does the rest: leaving starts from what it finds, and does nothing twice.
//
// Other tools write slots as they like.  What they do is not undone: not_called() says which slots lead to ours no more.
//
// Needs: CAP_SYS_ADMIN to call foreign programs, since only it turns the id in a slot into a descriptor.
// Limits: kMostCaptures at a time, of one user, through one pin of the hook.  Linux 5.5 (maps in memory).
// Source: Linux v6.18 kernel/bpf/arraymap.c, kernel/bpf/core.c __bpf_prog_map_compatible().
// Tested by: xdpcap/tests/kernel/sharing/chain_test.cc, tests/kernel/faults/.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "xdpcap/hook/hook.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/program/chain_state.h"
#include "xdpcap/program/counters.h"
#include "xdpcap/sharing/chain_directory.h"

namespace xdpcap {

/// What to do about captures that are there.
enum class OnBusy : std::uint8_t {
  Chain,    ///< share the hook with them
  Fail,     ///< do not capture
  Replace,  ///< make them end, and put foreign programs out
};

struct JoinOptions {
  std::vector<Action> actions;
  std::string command_line = {};
  std::string filter = {};
  std::uint32_t pid = 0;  ///< of the capture
  OnBusy on_busy = OnBusy::Chain;
  int counters_fd = -1;  ///< for -status
};

/// A capture as the chain knows it.
struct ChainMember {
  std::uint32_t position = 0;
  bool is_alive = false;
  std::uint32_t pid = 0;  ///< in its PID namespace
  std::uint32_t told_by_pid = 0;
  chain::Reason told_why = chain::Reason::Detached;
  std::vector<Action> actions;
  std::string command_line;
  std::string filter;
};

class Chain {
 public:
  /// Takes a place in the chain on `hook`, which is made if there is none; first takes out what dead captures have left.
  /// `notes`: sentences for the user.  The place is left when the object goes.
  /// Ownership: `hook` must outlive the chain.
  /// Errors: Busy, as `on_busy` says, when all places are taken, or when a slot holds a capture of another user; Permission when it
  /// holds a program that cannot be opened, or of ChainDirectory::make(); Kernel.
  static Result<Chain> join(const Hook& hook, const JoinOptions& options,
                            std::vector<std::string>& notes);
  /// The chain there is, to look at it or to take others out; nullopt: none.
  /// Errors: those of ChainDirectory::find(); Unsupported when it is of another version; Kernel.
  static Result<std::optional<Chain>> find(const Hook& hook);

  Chain(Chain&& other) noexcept = default;
  ~Chain();

  int state_fd() const { return state_fd_.get(); }
  int programs_fd() const { return programs_fd_.get(); }
  const ChainDirectory& directory() const { return directory_; }
  std::uint32_t position() const { return position_; }

  std::vector<ChainMember> members() const;
  /// The program of a capture, by its pin.
  Result<UniqueFd> open_program_of(std::uint32_t position, Action action) const;

  // Of the chain that was joined:

  /// Links programs, by action, into the chain.  `takes_over`: a foreign program in a slot is not called any more.
  /// Errors: Permission, Busy as of join(); Kernel.  The caller then leaves.
  Result<void> enter(const std::map<Action, int>& programs, bool takes_over = false);
  /// Puts other programs into the places of those that entered.
  Result<void> replace(const std::map<Action, int>& programs);
  /// Takes out the programs of some actions; when this returns none of them runs.
  Result<void> withdraw(const std::vector<Action>& actions);
  /// Takes out all of it; when this returns none of its programs runs.  Does as much as it can also after an error, which is the
  /// first.  tidy(), which has to follow, gives back what the chain holds of it; after an error that stays, as of a dead capture.
  Result<void> leave();
  void tidy();

  /// Whether another process has taken it out, or asked it to leave.
  bool is_taken_out() const;
  std::optional<ChainMember> told_to_leave() const;
  /// Entered actions whose slots do not lead to this capture, and the program that is in them instead.
  using NotCalled = std::map<Action, std::optional<std::uint32_t>>;
  NotCalled not_called() const;

  // Of others:

  /// Takes out dead captures.  Sentences on them.
  std::vector<std::string> remove_dead();
  /// Makes captures end, as process `by_pid` wants: asks them, and takes out after two seconds what has not left.  How many there were.
  Result<std::size_t> end_captures(chain::Reason why, std::uint32_t by_pid,
                                   const std::function<bool(const ChainMember&)>& which);

 private:
  Chain(const Hook& hook, ChainDirectory directory)
      : hook_(&hook), directory_(std::move(directory)) {}
  std::unexpected<Error> refuse(Errc code, const std::string& why) const;
  chain::ChainState& state() const { return *static_cast<chain::ChainState*>(mapping_.get()); }
  Result<void> open_maps();
  Result<void> make_maps();
  Result<void> find_maps();
  Result<bool> get_place(const JoinOptions& options, std::vector<std::string>& notes);
  Result<void> check_slots(const JoinOptions& options, std::vector<std::string>& notes) const;
  Result<void> take_place(const JoinOptions& options);
  Result<ChainDirectory::Lock> lock() const;
  ChainMember member(std::uint32_t position) const;
  void set_entered(std::uint32_t position, Action action, bool is_entered) const;

  Result<std::optional<std::uint32_t>> in_slot(Action action) const;
  Result<bool> is_of(std::uint32_t position, Action action, std::uint32_t program_id) const;
  Result<bool> is_ours(Action action, std::uint32_t program_id) const;
  Result<UniqueFd> open_foreign(Action action, std::uint32_t program_id) const;
  Result<void> put_front_in_slot(Action action) const;
  Result<void> enter_action(Action action, int program_fd, bool takes_over) const;
  Result<void> unlink(std::uint32_t position, const std::vector<Action>& actions) const;
  void clear(std::uint32_t position, const std::vector<Action>& actions) const;
  Result<void> take_out(std::uint32_t position) const;
  std::vector<std::string> take_out_dead() const;
  void remove_if_empty() const;

  const Hook* hook_;
  ChainDirectory directory_;
  bool is_new_ = false;     ///< its maps were made here, and no other capture has seen them
  bool is_on_hook_ = true;  ///< false: it is on a map that was pinned there before
  UniqueFd state_fd_;
  UniqueFd programs_fd_;
  Mapping mapping_{nullptr, Unmap{0}};
  std::uint32_t position_ = chain::kMostCaptures;  ///< kMostCaptures: none
  UniqueFd place_;                                 ///< the lock on it
  ChainDirectory::Lock leaving_;                   ///< from leave() to tidy()
  bool has_left_ = false;                          ///< no slot holds a program of it
};

// The captures on a hook, living and dead, with their counters, for -status and -list.
//
// Who a capture belongs to is what the kernel has noted of its program.
// Tested by: xdpcap/tests/kernel/sharing/chain_test.cc, xdpcap/tests/kernel/end_to_end/commands_test.cc.

struct CaptureStatus {
  ChainMember member;
  bool is_starting = false;                               ///< its programs are not in the chain yet
  std::uint32_t user_id = 0;                              ///< of who loaded its programs
  std::optional<ActionCounters> counters = std::nullopt;  ///< nullopt: they could not be read
};

/// Those of this user on `hook`.
/// Errors: those of Chain::find().
Result<std::vector<CaptureStatus>> captures_on(const Hook& hook);

}  // namespace xdpcap

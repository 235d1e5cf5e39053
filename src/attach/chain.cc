// SPDX-License-Identifier: BSD-3-Clause
//
// Chain: entering and leaving.

#include "attach/chain.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "kernel/file_status.h"
#include "kernel/map.h"
#include "kernel/object_ids.h"
#include "kernel/program.h"
#include "kernel/program_info.h"
#include "kernel/quiesce.h"

namespace xdpcap {

using chain::get;
using chain::kForeignPosition;
using chain::kMostCaptures;
using chain::place_of;
using chain::set;

namespace {

using Turn = ChainDirectory::Turn;

std::string pin_of(std::uint32_t position, Action action) {
  return position == kForeignPosition ? fmt::format("foreign-{}", index(action))
                                      : fmt::format("{}/{}", position, index(action));
}

// A refusal may pass, as of memory; what is left in a slot stays there.
template <typename Attempt>
Result<void> persist(Attempt attempt) {
  constexpr int kTries = 5;
  constexpr std::chrono::milliseconds kPause(10);
  Result<void> result = attempt();
  for (int i = 1; !result && i < kTries; ++i) {
    std::this_thread::sleep_for(kPause);
    result = attempt();
  }
  return result;
}

void note_first(Result<void>& first, Result<void> next) {
  if (first && !next) {
    first = std::move(next);
  }
}

std::vector<Action> actions_of(std::uint32_t bits) {
  std::vector<Action> actions = first_actions(kMostActions);
  std::erase_if(actions, [&](Action action) { return (bits >> index(action) & 1U) == 0; });
  return actions;
}

}  // namespace

// --- What they say.

bool Chain::is_entered(std::uint32_t position, Action action) const {
  return (get(state().entered[index(action)]) >> position & 1U) != 0;
}

// Of all other bits none is lost, even if a process changes one without its turn (chain_directory.h).
void Chain::set_entered(std::uint32_t position, Action action, bool is_entered) const {
  const std::atomic_ref<std::uint32_t> bits(state().entered[index(action)]);
  const std::uint32_t bit = 1U << position;
  if (is_entered) {
    bits.fetch_or(bit, std::memory_order_acq_rel);
  } else {
    bits.fetch_and(~bit, std::memory_order_acq_rel);
  }
}

ChainMember Chain::member(std::uint32_t position) const {
  const chain::Member& place = state().members[position];
  return {.position = position,
          .is_alive = directory_.place(position) == ChainDirectory::Place::Held,
          .pid = place.pid,
          .told_by_pid = get(state().members[position].told_by_pid),
          .told_why = place.told_why,
          .actions = actions_of(place.actions),
          .command_line = {place.command_line.data(),
                           ::strnlen(place.command_line.data(), place.command_line.size())},
          .filter = {place.filter.data(), ::strnlen(place.filter.data(), place.filter.size())}};
}

std::vector<ChainMember> Chain::members() const {
  std::vector<ChainMember> members;
  for (std::uint32_t position = 0; position < kMostCaptures; ++position) {
    if (directory_.place(position) != ChainDirectory::Place::Free) {
      members.push_back(member(position));
    }
  }
  return members;
}

Result<UniqueFd> Chain::open_program_of(std::uint32_t position, Action action) const {
  return directory_.open_pin(pin_of(position, action));
}

Result<std::optional<std::uint32_t>> Chain::in_slot(Action action) const {
  return hook_->holder(action).with_context(std::string(name(action)));
}

Result<std::optional<std::uint32_t>> Chain::in_place(Action action, std::uint32_t position) const {
  return program_in_slot(programs_fd_.get(), place_of(action, position));
}

// Also the one before, which stays pinned until replace() has put the new one into its place and its slot.
Result<bool> Chain::is_of(std::uint32_t position, Action action, std::uint32_t program_id) const {
  if (TRY(in_place(action, position)) == program_id) {
    return true;
  }
  const Result<UniqueFd> pinned = open_program_of(position, action);
  return pinned && TRY(xdpcap::program_id(pinned->get())) == program_id;
}

Result<bool> Chain::is_ours(Action action, std::uint32_t program_id) const {
  for (std::uint32_t position = 0; position < kMostCaptures; ++position) {
    if (TRY(is_of(position, action, program_id))) {
      return true;
    }
  }
  return false;
}

Chain::~Chain() {
  if (place_.is_open()) {
    static_cast<void>(leave());
    tidy();
  }
}

// --- Foreign programs.

// Errors: NotFound when it has gone meanwhile; Permission; Busy when it is another user's capture.
Result<UniqueFd> Chain::open_foreign(Action action, std::uint32_t program_id) const {
  Result<UniqueFd> program = open_program(program_id);
  if (!program && program.error().code == Errc::Permission) {
    return fail(
        Errc::Permission,
        fmt::format(
            "hook {}: slot {} is taken by {}, which this user's captures did not put there; calling it after this "
            "capture takes CAP_SYS_ADMIN; run as root, end that program, or put it out with "
            "-on-busy replace",
            hook_->path(), name(action), describe_program(program_id)));
  }
  const UniqueFd opened = TRY(std::move(program));
  const ProgramInfo info = TRY(program_info(opened.get()));
  if (info.name.starts_with(chain::kProgramNamePrefix)) {
    return fail(
        Errc::Busy,
        fmt::format(
            "hook {0}: slot {1} is taken by {2}, a capture of user {3} that does not share with this one: of "
            "another user, through another pin of the hook, or of another version; end it, or put it out "
            "with xdpcap -detach {0}",
            hook_->path(), name(action), describe_program(program_id), info.user_id));
  }
  return UniqueFd(::dup(opened.get()));
}

Result<void> Chain::take_in(Action action, std::uint32_t program_id) const {
  const UniqueFd program = TRY(open_foreign(action, program_id));
  TRY(put_program(programs_fd_.get(), place_of(action, kForeignPosition), program.get()));
  TRY(directory_.pin(pin_of(kForeignPosition, action), program.get()));
  set_entered(kForeignPosition, action, true);
  return {};
}

// --- Entering.

Result<void> Chain::put_front_in_slot(Action action) const {
  const auto slot = static_cast<std::uint32_t>(index(action));
  for (std::uint32_t bits = get(state().entered[slot]); bits != 0; bits &= bits - 1) {
    Result<UniqueFd> front =
        open_program_of(static_cast<std::uint32_t>(std::countr_zero(bits)), action);
    if (!is_gone(front)) {  // as of a capture that was killed while it replaced its program
      return put_program(hook_->fd(), slot, TRY(std::move(front)).get())
          .with_context("hook " + hook_->path());
    }
  }
  return remove_program(hook_->fd(), slot).with_context("hook " + hook_->path());
}

Result<void> Chain::enter_action(Action action, int program_fd, bool takes_over) const {
  const std::optional<std::uint32_t> holder = TRY(in_slot(action));
  const bool is_foreign = holder && !TRY(is_ours(action, *holder));
  if (!holder || (is_foreign && takes_over)) {
    set_entered(kForeignPosition, action, false);  // the one that was there has left, or is put out
  } else if (is_foreign) {
    TRY(take_in(action, *holder));
  }
  TRY(put_program(programs_fd_.get(), place_of(action, position_), program_fd));
  TRY(directory_.pin(pin_of(position_, action), program_fd));
  set_entered(position_, action, true);
  return put_front_in_slot(action);
}

// Its place may be another capture's, once it was taken out.
Result<Turn> Chain::take_turn() const {
  Turn turn = directory_.take_turn();
  if (is_taken_out()) {
    return fail(Errc::Busy,
                fmt::format("hook {}: another process has ended this capture", hook_->path()));
  }
  return turn;
}

Result<void> Chain::enter(const std::map<Action, int>& programs, bool takes_over) {
  const Turn turn = TRY(take_turn());
  for (const auto& [action, program_fd] : programs) {
    TRY(enter_action(action, program_fd, takes_over));
  }
  return {};
}

Result<void> Chain::replace(const std::map<Action, int>& programs) {
  const Turn turn = TRY(take_turn());
  for (const auto& [action, program_fd] : programs) {
    const std::optional<std::uint32_t> old = TRY(in_place(action, position_));
    const bool is_in_slot = old && TRY(in_slot(action)) == old;
    TRY(put_program(programs_fd_.get(), place_of(action, position_), program_fd));
    if (is_in_slot) {
      TRY(put_program(hook_->fd(), static_cast<std::uint32_t>(index(action)), program_fd));
    }
    TRY(directory_.pin(pin_of(position_, action), program_fd));
  }
  return {};
}

// --- Leaving.

// Whether the slot holds the program at a position.
Result<bool> Chain::holds_slot(std::uint32_t position, Action action) const {
  const std::optional<std::uint32_t> holder = TRY(in_slot(action));
  return is_on_hook_ && holder && TRY(is_of(position, action, *holder));
}

// No packet comes to the programs at a position any more.
Result<void> Chain::unlink(std::uint32_t position, const std::vector<Action>& actions) const {
  Result<void> first;
  for (const Action action : actions) {
    set_entered(position, action, false);
    Result<void> given = persist([&]() -> Result<void> {
      return TRY(holds_slot(position, action)) ? put_front_in_slot(action) : Result<void>{};
    });
    if (!given) {  // without the next one's program, nothing is better than one whose capture has gone
      given = persist([&]() -> Result<void> {
        return TRY(holds_slot(position, action))
                   ? remove_program(hook_->fd(), static_cast<std::uint32_t>(index(action)))
                   : Result<void>{};
      });
    }
    note_first(first, std::move(given));
  }
  return first;
}

// What unlink() has left, once no CPU is on the way there.
void Chain::clear(std::uint32_t position, const std::vector<Action>& actions) const {
  for (const Action action : actions) {
    static_cast<void>(
        persist([&] { return remove_program(programs_fd_.get(), place_of(action, position)); }));
    directory_.remove_pin(pin_of(position, action));
    if ((get(state().entered[index(action)]) & ~(1U << kForeignPosition)) == 0) {
      set_entered(kForeignPosition, action, false);  // it is in the slot again
      static_cast<void>(remove_program(programs_fd_.get(), place_of(action, kForeignPosition)));
      directory_.remove_pin(pin_of(kForeignPosition, action));
    }
  }
}

Result<void> Chain::withdraw(const std::vector<Action>& actions) {
  const Turn turn = TRY(take_turn());
  Result<void> first = unlink(position_, actions);
  note_first(first, wait_for_running_programs());
  clear(position_, actions);
  return first;
}

Result<void> Chain::leave() {
  leaving_.emplace(directory_.take_turn());
  if (is_taken_out() && !directory_.is_removed()) {
    return {};  // by another process; its place may be another capture's.  Who removes the directory takes nothing out
  }
  Result<void> first = unlink(position_, hook_->actions());
  note_first(first, wait_for_running_programs());
  has_left_ = first.has_value();
  return first;
}

void Chain::tidy() {
  if (has_left_ && !is_taken_out()) {
    clear(position_, hook_->actions());
    directory_.remove_place(position_);
  }
  place_.reset();
  remove_if_empty();
  leaving_.reset();
}

void Chain::remove_if_empty() const {
  if (place_.is_open()) {
    return;
  }
  const bool is_free = directory_.count(ChainDirectory::Place::Free) == kMostCaptures;
  if (is_new_ || (mapping_ != nullptr && is_free)) {
    directory_.remove();
  } else {
    directory_.remove_bare();  // where nothing can be opened, all places look held
  }
}

Result<void> Chain::take_out(std::uint32_t position) const {
  Result<void> first = unlink(position, hook_->actions());
  note_first(first, wait_for_running_programs());
  if (first) {
    if (is_on_hook_) {  // else its slots are of a hook that only it knows
      clear(position, hook_->actions());
    }
    directory_.remove_place(position);
  }
  return first;
}

// --- What others do.

bool Chain::is_taken_out() const {
  struct stat status{};
  return file_status(place_.get(), status) && status.st_nlink == 0;
}

std::optional<ChainMember> Chain::told_to_leave() const {
  if (get(state().members[position_].told_by_pid) == 0) {
    return std::nullopt;
  }
  return member(position_);
}

std::vector<Chain::NotCalled> Chain::not_called() const {
  if (look_at_slots().empty()) {
    return {};
  }
  const Turn turn = directory_.take_turn();  // another capture may have been changing them
  return look_at_slots();
}

std::vector<Chain::NotCalled> Chain::look_at_slots() const {
  std::vector<NotCalled> slots;
  for (const Action action : hook_->actions()) {
    const Result<std::optional<std::uint32_t>> holder = in_slot(action);
    if (!is_entered(position_, action) || !holder) {
      continue;
    }
    bool is_called = false;
    for (std::uint32_t position = 0; *holder && position <= position_; ++position) {
      is_called = is_called || is_of(position, action, **holder).value_or(false);
    }
    if (!is_called) {
      slots.push_back({.action = action, .holder = *holder});
    }
  }
  return slots;
}

}  // namespace xdpcap

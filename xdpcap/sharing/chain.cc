// SPDX-License-Identifier: BSD-3-Clause
//
// Chain: the slots.  chain_join.cc has the places.

#include "xdpcap/sharing/chain.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <thread>
#include <utility>

#include "base/file_io.h"
#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/objects.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/kernel/quiesce.h"

namespace xdpcap {

using chain::get;
using chain::kForeignPosition;
using chain::program_key;

namespace {

using Lock = ChainDirectory::Lock;

std::uint32_t key_of(Action action) {
  return static_cast<std::uint32_t>(index(action));
}

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
  first = first ? std::move(next) : std::move(first);
}

}  // namespace

std::unexpected<Error> Chain::refuse(Errc code, const std::string& why) const {
  return fail(code, fmt::format("hook {}: {}", hook_->path(), why));
}

// Of all other bits none is lost, even if a process changes one without the lock (chain_directory.h).
void Chain::set_entered(std::uint32_t position, Action action, bool is_entered) const {
  const std::atomic_ref<std::uint32_t> bits(state().entered[index(action)]);
  const std::uint32_t bit = 1U << position;
  static_cast<void>(is_entered ? bits.fetch_or(bit) : bits.fetch_and(~bit));
}

Result<UniqueFd> Chain::open_program_of(std::uint32_t position, Action action) const {
  return directory_.open_pin(pin_of(position, action));
}

Result<std::optional<std::uint32_t>> Chain::in_slot(Action action) const {
  return hook_->holder(action).with_context(std::string(name(action)));
}

// Also the one before, which stays pinned until replace() has put the new one into its place and its slot.
Result<bool> Chain::is_of(std::uint32_t position, Action action, std::uint32_t program_id) const {
  if (TRY(program_in_slot(programs_fd_.get(), program_key(action, position))) == program_id) {
    return true;
  }
  const Result<UniqueFd> pinned = open_program_of(position, action);
  return pinned && TRY(xdpcap::program_id(pinned->get())) == program_id;
}

Result<bool> Chain::is_ours(Action action, std::uint32_t program_id) const {
  for (std::uint32_t position = 0; position < chain::kMostCaptures; ++position) {
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

// --- Entering.

// Errors: NotFound when it has gone meanwhile; Permission; Busy when it is another user's capture.
Result<UniqueFd> Chain::open_foreign(Action action, std::uint32_t program_id) const {
  const std::string holder =
      fmt::format("slot {} is taken by {}", name(action), describe_program(program_id));
  Result<UniqueFd> program = open_program(program_id);
  if (!program && program.error().code == Errc::Permission) {
    return refuse(
        Errc::Permission,
        holder +
            ", which this user's captures did not put there; calling it after this capture takes CAP_SYS_ADMIN; "
            "run as root, end that program, or put it out with -on-busy replace");
  }
  UniqueFd opened = TRY(std::move(program));
  const ProgramInfo info = TRY(program_info(opened.get()));
  if (info.name.starts_with(chain::kProgramNamePrefix)) {
    return refuse(
        Errc::Busy,
        fmt::format(
            "{}, a capture of user {} that does not share with this one: of another user, through "
            "another pin of the hook, or of another version; end it, or put it out with "
            "xdpcap -detach {}",
            holder, info.user_id, hook_->path()));
  }
  return opened;
}

Result<void> Chain::put_front_in_slot(Action action) const {
  for (std::uint32_t bits = get(state().entered[index(action)]); bits != 0; bits &= bits - 1) {
    const Result<UniqueFd> front =
        open_program_of(static_cast<std::uint32_t>(std::countr_zero(bits)), action);
    if (front) {
      return put_program(hook_->fd(), key_of(action), front->get())
          .with_context("hook " + hook_->path());
    }
    if (!is_gone(front)) {  // as it is of a capture that was killed while it replaced its program
      return std::unexpected(front.error());
    }
  }
  return remove_program(hook_->fd(), key_of(action)).with_context("hook " + hook_->path());
}

Result<void> Chain::enter_action(Action action, int program_fd, bool takes_over) const {
  const std::optional<std::uint32_t> holder = TRY(in_slot(action));
  const bool is_foreign = holder && !TRY(is_ours(action, *holder));
  if (!holder || (is_foreign && takes_over)) {
    set_entered(kForeignPosition, action, false);  // the one that was there has left, or is put out
  }
  const auto link = [&](std::uint32_t position, int fd) -> Result<void> {
    TRY(put_program(programs_fd_.get(), program_key(action, position), fd));
    TRY(directory_.pin(pin_of(position, action), fd));
    set_entered(position, action, true);
    return {};
  };
  if (is_foreign && !takes_over) {
    const UniqueFd foreign = TRY(open_foreign(action, *holder));
    TRY(link(kForeignPosition, foreign.get()));
  }
  TRY(link(position_, program_fd));
  return put_front_in_slot(action);
}

// Its place may be another capture's, once it was taken out.
Result<Lock> Chain::lock() const {
  Lock locked = directory_.lock();
  if (is_taken_out()) {
    return refuse(Errc::Busy, "another process has ended this capture");
  }
  return locked;
}

Result<void> Chain::enter(const std::map<Action, int>& programs, bool takes_over) {
  const Lock locked = TRY(lock());
  for (const auto& [action, program_fd] : programs) {
    TRY(enter_action(action, program_fd, takes_over));
  }
  return {};
}

Result<void> Chain::replace(const std::map<Action, int>& programs) {
  const Lock locked = TRY(lock());
  for (const auto& [action, program_fd] : programs) {
    const std::uint32_t place = program_key(action, position_);
    const std::optional<std::uint32_t> old = TRY(program_in_slot(programs_fd_.get(), place));
    const bool is_in_slot = old && TRY(in_slot(action)) == old;
    TRY(put_program(programs_fd_.get(), place, program_fd));
    if (is_in_slot) {
      TRY(put_program(hook_->fd(), key_of(action), program_fd));
    }
    TRY(directory_.pin(pin_of(position_, action), program_fd));
  }
  return {};
}

// --- Leaving.

// When this returns, no packet comes to the programs at a position any more, and none runs.
Result<void> Chain::unlink(std::uint32_t position, const std::vector<Action>& actions) const {
  Result<void> first;
  for (const Action action : actions) {
    set_entered(position, action, false);
    const auto give_slot = [&](bool to_the_next) -> Result<void> {
      const std::optional<std::uint32_t> holder = TRY(in_slot(action));
      if (!is_on_hook_ || !holder || !TRY(is_of(position, action, *holder))) {
        return {};
      }
      return to_the_next ? put_front_in_slot(action) : remove_program(hook_->fd(), key_of(action));
    };
    Result<void> given = persist([&] { return give_slot(true); });
    if (!given) {  // without the next one's program, nothing is better than one whose capture has gone
      given = persist([&] { return give_slot(false); });
    }
    note_first(first, std::move(given));
  }
  note_first(first, wait_for_running_programs());
  return first;
}

// What unlink() has left.
void Chain::clear(std::uint32_t position, const std::vector<Action>& actions) const {
  const auto clear_place = [&](std::uint32_t place, Action action) {
    static_cast<void>(
        persist([&] { return remove_program(programs_fd_.get(), program_key(action, place)); }));
    directory_.remove_pin(pin_of(place, action));
  };
  for (const Action action : actions) {
    clear_place(position, action);
    if ((get(state().entered[index(action)]) & ~(1U << kForeignPosition)) == 0) {
      set_entered(kForeignPosition, action, false);  // it is in the slot again
      clear_place(kForeignPosition, action);
    }
  }
}

Result<void> Chain::withdraw(const std::vector<Action>& actions) {
  const Lock locked = TRY(lock());
  Result<void> unlinked = unlink(position_, actions);
  clear(position_, actions);
  return unlinked;
}

Result<void> Chain::leave() {
  leaving_ = directory_.lock();
  if (is_taken_out() && !directory_.is_removed()) {
    return {};  // by another process; its place may be another capture's.  Who removes the directory takes nothing out
  }
  Result<void> unlinked = unlink(position_, hook_->actions());
  has_left_ = unlinked.has_value();
  return unlinked;
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

Result<void> Chain::take_out(std::uint32_t position) const {
  TRY(unlink(position, hook_->actions()));
  if (is_on_hook_) {  // else its slots are of a hook that only it knows
    clear(position, hook_->actions());
  }
  directory_.remove_place(position);
  return {};
}

// --- What others do.

bool Chain::is_taken_out() const {
  struct stat status{};
  return file_status(place_.get(), status) && status.st_nlink == 0;
}

Chain::NotCalled Chain::not_called() const {
  const auto look = [&] {
    NotCalled slots;
    for (const Action action : hook_->actions()) {
      const bool is_entered = (get(state().entered[index(action)]) >> position_ & 1U) != 0;
      const Result<std::optional<std::uint32_t>> holder = in_slot(action);
      bool is_called = !is_entered || !holder;
      for (std::uint32_t position = 0; !is_called && *holder && position <= position_; ++position) {
        is_called = is_of(position, action, **holder).value_or(false);
      }
      if (!is_called) {
        slots[action] = *holder;
      }
    }
    return slots;
  };
  if (look().empty()) {
    return {};
  }
  const Lock locked = directory_.lock();  // another capture may have been changing them
  return look();
}

namespace {

CaptureStatus status_of(const Chain& chain, ChainMember member) {
  CaptureStatus status{.member = std::move(member), .is_starting = true, .user_id = ::geteuid()};
  for (const Action action : status.member.actions) {
    const Result<UniqueFd> program = chain.open_program_of(status.member.position, action);
    const Result<ProgramInfo> info =
        program ? program_info(program->get()) : std::unexpected(program.error());
    if (info) {
      status.is_starting = false;
      status.user_id = info->user_id;
      break;
    }
  }
  if (const Result<UniqueFd> counters =
          chain.directory().open_pin(fmt::format("{}/counters", status.member.position))) {
    if (Result<ActionCounters> read = read_counters(counters->get())) {
      status.counters = *read;
    }
  }
  return status;
}

}  // namespace

Result<std::vector<CaptureStatus>> captures_on(const Hook& hook) {
  std::vector<CaptureStatus> captures;
  if (const std::optional<Chain> chain = TRY(Chain::find(hook))) {
    for (ChainMember& member : chain->members()) {
      captures.push_back(status_of(*chain, std::move(member)));
    }
  }
  return captures;
}

}  // namespace xdpcap

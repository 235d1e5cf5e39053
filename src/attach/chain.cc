// SPDX-License-Identifier: BSD-3-Clause
//
// Chain: entering, leaving, and putting right.

#include "attach/chain.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "attach/chain_access.h"
#include "attach/hook_inventory.h"
#include "kernel/map.h"
#include "kernel/object_ids.h"
#include "kernel/program.h"
#include "kernel/program_info.h"
#include "kernel/quiesce.h"

namespace xdpcap {

using chain::kDispatcherPosition;
using chain::kEndOfChain;
using chain::kForeignPosition;
using chain::kMostCaptures;
using chain::place_of;
using chain::State;

namespace {

std::string context(const Hook& hook, Action action) {
  return fmt::format("hook {}: {}", hook.path(), name(action));
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

}  // namespace

// --- What the maps say.

std::uint32_t& Chain::next(Action action, std::uint32_t position) const {
  return state().next[index(action)][position];
}

std::uint32_t& Chain::head(Action action) const {
  return state().head[index(action)];
}

// The positions that packets with this action go through; ends where it makes no sense any more.
std::vector<std::uint32_t> Chain::row(Action action) const {
  std::vector<std::uint32_t> positions;
  for (std::uint32_t at = get(head(action)); at != kEndOfChain && at <= kForeignPosition;
       at = get(next(action, at))) {
    if (std::ranges::find(positions, at) != positions.end()) {
      break;
    }
    positions.push_back(at);
    if (at == kForeignPosition) {
      break;
    }
  }
  return positions;
}

Result<std::optional<std::uint32_t>> Chain::in_slot(Action action) const {
  return program_in_slot(hook_->fd(), static_cast<std::uint32_t>(index(action)))
      .with_context(context(*hook_, action));
}

Result<std::optional<std::uint32_t>> Chain::in_place(Action action, std::uint32_t position) const {
  return program_in_slot(parts_.programs.get(), place_of(action, position))
      .with_context(context(*hook_, action));
}

Result<void> Chain::put_in_slot(Action action, int program_fd) const {
  return put_program(hook_->fd(), static_cast<std::uint32_t>(index(action)), program_fd)
      .with_context(context(*hook_, action));
}

Result<bool> Chain::is_ours(Action action, std::uint32_t program_id) const {
  for (std::uint32_t position = 0; position <= kMostCaptures; ++position) {
    if (TRY(in_place(action, position)) == program_id) {
      return true;
    }
  }
  return false;
}

// --- Foreign programs.

// Errors: NotFound when it has gone meanwhile; Permission; Busy when it is one of another chain.
Result<UniqueFd> Chain::open_foreign_program(Action action, std::uint32_t program_id) const {
  UniqueFd program = TRY(open_program(program_id));
  // A capture of another chain is no foreign program: its guardian would put itself in front of us, and we of it.
  const ProgramInfo info = TRY(program_info(program.get()));
  if (TRY(is_capture_program(info))) {
    return fail(
        Errc::Busy,
        fmt::format(
            "hook {}: slot {} is taken by {}, which is a capture that shares with others only; another "
            "xdpcap has started at the same moment without the lock; start this one again",
            hook_->path(), name(action), describe_program(program_id)));
  }
  return program;
}

Result<std::vector<std::string>> Chain::open_foreign(const std::vector<Action>& actions) {
  std::vector<std::string> sentences;
  for (const Action action : actions) {
    const std::optional<std::uint32_t> holder = TRY(in_slot(action));
    if (!holder || TRY(is_ours(action, *holder))) {
      continue;
    }
    Result<UniqueFd> program = open_foreign_program(action, *holder);
    if (!program && program.error().code != Errc::NotFound) {
      return std::unexpected(explain(std::move(program).error(), action, *holder));
    }
    if (program) {
      sentences.push_back(
          fmt::format("hook {}: slot {} holds {}, which is called after the captures",
                      hook_->path(), name(action), describe_program(*holder)));
      opened_[action] = {.program = *std::move(program), .id = *holder};
    }
  }
  return sentences;
}

Result<void> Chain::take_in(Action action, std::uint32_t program_id) {
  if (!opened_.contains(action) || opened_.at(action).id != program_id) {
    opened_[action] = {.program = TRY(open_foreign_program(action, program_id)), .id = program_id};
  }
  TRY(put_program(parts_.programs.get(), place_of(action, kForeignPosition),
                  opened_.at(action).program.get())
          .with_context(context(*hook_, action)));
  foreign_[action] = std::move(opened_.at(action));
  opened_.erase(action);
  return {};
}

void Chain::append_foreign(Action action) const {
  const std::vector<std::uint32_t> positions = row(action);
  if (positions.empty()) {
    set(head(action), kForeignPosition);
  } else if (positions.back() != kForeignPosition) {
    set(next(action, positions.back()), kForeignPosition);
  }
}

Result<void> Chain::drop_foreign(Action action) {
  unlink(kForeignPosition, action);
  foreign_.erase(action);
  return remove_program(parts_.programs.get(), place_of(action, kForeignPosition))
      .with_context(context(*hook_, action));
}

// A descriptor of a foreign program that is not called any more would keep it loaded.
Result<void> Chain::forget_gone_foreign(Action action) {
  const auto found = foreign_.find(action);
  if (found != foreign_.end() && TRY(in_place(action, kForeignPosition)) != found->second.id) {
    foreign_.erase(found);
  }
  return {};
}

// --- Entering.

Result<std::uint32_t> Chain::reserve(const ChainMember& member) {
  for (std::uint32_t position = 1; position <= kMostCaptures; ++position) {
    chain::Member& place = record(position);
    if (get(place.state) != State::Free) {
      continue;
    }
    describe(place, member);
    set(place.state, State::Reserved);
    return position;
  }
  return fail(
      Errc::Busy,
      fmt::format(
          "hook {}: {} captures share it, and the kernel's 33 tail calls for a packet leave room for no "
          "more; end one (xdpcap -list shows them)",
          hook_->path(), kMostCaptures));
}

Result<void> Chain::enter_action(std::uint32_t position, Action action, int program_fd,
                                 bool takes_over) {
  const std::optional<std::uint32_t> holder = TRY(in_slot(action));
  if (!holder) {
    TRY(drop_foreign(action));  // who emptied the slot has left, and nobody has noticed yet
  } else if (!TRY(is_ours(action, *holder))) {
    if (takes_over) {
      TRY(drop_foreign(action));
    } else {
      if (Result<void> taken = take_in(action, *holder); !taken) {
        return std::unexpected(explain(std::move(taken).error(), action, *holder));
      }
      append_foreign(action);
    }
  }
  TRY(put_program(parts_.programs.get(), place_of(action, position), program_fd)
          .with_context(context(*hook_, action)));
  set(next(action, position), get(head(action)));
  set(head(action), position);
  TRY(put_in_slot(action, program_fd));
  const std::optional<std::uint32_t> now = TRY(in_slot(action));
  if (now == TRY(program_id(program_fd))) {
    return {};
  }
  return fail(Errc::Busy,
              fmt::format("hook {}: somebody else {} slot {} while we entered it; try again",
                          hook_->path(), now ? "took" : "emptied", name(action)));
}

Error Chain::explain(Error error, Action action, std::uint32_t holder) const {
  if (error.code == Errc::Permission) {
    error.message = fmt::format(
        "hook {}: slot {} is taken by {}, which is no running capture that this process can reach; "
        "calling it after this capture takes CAP_SYS_ADMIN; run as root, end that program, or "
        "put it out with -on-busy replace",
        hook_->path(), name(action), describe_program(holder));
  }
  return error;
}

// Somebody may have made this capture leave (end_captures()) before it came to this.
Result<void> Chain::check_place(std::uint32_t position, const ProcessIdentity& process) const {
  const std::optional<ChainMember> member = this->member(position);
  if (member && member->state != State::Free && member->process == process) {
    return {};
  }
  return fail(Errc::Busy,
              fmt::format("hook {}: another process has ended this capture", hook_->path()));
}

Result<void> Chain::enter(std::uint32_t position, const ProcessIdentity& process,
                          const std::map<Action, int>& programs, bool takes_over) {
  TRY(check_place(position, process));
  for (const auto& [action, program_fd] : programs) {
    TRY(enter_action(position, action, program_fd, takes_over));
  }
  State reserved = State::Reserved;
  std::atomic_ref<State>(record(position).state).compare_exchange_strong(reserved, State::Entered);
  return {};
}

Result<void> Chain::replace(std::uint32_t position, const ProcessIdentity& process,
                            const std::map<Action, int>& programs) {
  TRY(check_place(position, process));
  for (const auto& [action, program_fd] : programs) {
    const std::optional<std::uint32_t> old = TRY(in_place(action, position));
    if (!old) {
      continue;
    }
    // Whoever looks meanwhile finds only programs it knows: the dispatcher bridges the change.
    const bool is_in_slot = TRY(in_slot(action)) == old;
    if (is_in_slot) {
      TRY(put_in_slot(action, parts_.dispatchers[index(action)].get()));
    }
    TRY(put_program(parts_.programs.get(), place_of(action, position), program_fd)
            .with_context(context(*hook_, action)));
    if (is_in_slot) {
      TRY(put_in_slot(action, program_fd));
    }
  }
  return {};
}

// --- Leaving.

// Whoever goes on to `position` goes on to what comes behind it.  Nobody goes on to itself, whatever is written there.
void Chain::unlink(std::uint32_t position, Action action) const {
  const std::uint32_t behind =
      position == kForeignPosition ? kEndOfChain : get(next(action, position));
  const auto behind_for = [&](std::uint32_t other) {
    return behind > kForeignPosition || behind == other || behind == position ? kEndOfChain
                                                                              : behind;
  };
  const std::vector<std::uint32_t> positions = row(action);
  if (get(head(action)) == position) {
    set(head(action), behind_for(kEndOfChain));
  }
  for (const std::uint32_t other : positions) {
    if (other != kForeignPosition && other != position && get(next(action, other)) == position) {
      set(next(action, other), behind_for(other));
    }
  }
}

// What a slot that is ours should hold when the program in it is to go.
Result<void> Chain::settle_slot(Action action) {
  const std::vector<std::uint32_t> positions = row(action);
  if (positions.empty()) {
    return remove_program(hook_->fd(), static_cast<std::uint32_t>(index(action)))
        .with_context(context(*hook_, action));
  }
  if (positions.front() != kForeignPosition) {
    return put_in_slot(action, parts_.dispatchers[index(action)].get());
  }
  Result<void> restored = restore_foreign(action);
  if (!restored) {
    TRY(put_in_slot(action, parts_.dispatchers[index(action)].get()));
  }
  return restored;
}

Result<void> Chain::restore_foreign(Action action) {
  const std::optional<std::uint32_t> id = TRY(in_place(action, kForeignPosition));
  if (!id) {
    return remove_program(hook_->fd(), static_cast<std::uint32_t>(index(action)));
  }
  if (!foreign_.contains(action) || foreign_.at(action).id != *id) {
    Result<UniqueFd> program = open_program(*id);
    if (!program) {
      return fail(
          program.error().code,
          fmt::format(
              "hook {}: slot {}: {}, which was there before, cannot be put back; a program that calls "
              "it stays in its place: {}",
              hook_->path(), name(action), describe_program(*id), program.error().message),
          program.error().sys_errno);
    }
    foreign_[action] = {.program = *std::move(program), .id = *id};
  }
  TRY(put_in_slot(action, foreign_.at(action).program.get()));
  set(head(action), kEndOfChain);
  return {};
}

Result<void> Chain::leave_action(std::uint32_t position, Action action) {
  TRY(forget_gone_foreign(action));
  unlink(position, action);
  const std::optional<std::uint32_t> holder = TRY(in_slot(action));
  const std::optional<std::uint32_t> ours = TRY(in_place(action, position));
  const std::vector<std::uint32_t> rest = row(action);
  const bool is_last = rest.empty() || rest.front() == kForeignPosition;
  const bool is_held = holder && (holder == ours || TRY(is_ours(action, *holder)));
  if (is_held && (holder == ours || is_last)) {
    return settle_slot(action);
  }
  return {};
}

// After nobody can be on the way there any more.
Result<void> Chain::free_places(std::uint32_t position, Action action) {
  TRY(remove_program(parts_.programs.get(), place_of(action, position))
          .with_context(context(*hook_, action)));
  set(next(action, position), kEndOfChain);
  if (row(action).empty()) {
    TRY(drop_foreign(action));
  }
  return {};
}

Result<void> Chain::withdraw(std::uint32_t position, const ProcessIdentity& process,
                             const std::vector<Action>& actions) {
  TRY(check_place(position, process));
  Result<void> result;
  for (const Action action : actions) {
    note_first(result, persist([&] { return leave_action(position, action); }));
  }
  note_first(result, persist([] { return wait_for_running_programs(); }));
  for (const Action action : actions) {
    note_first(result, persist([&] { return free_places(position, action); }));
  }
  return result;
}

Result<void> Chain::leave(std::uint32_t position, const ProcessIdentity& process) {
  if (!check_place(position, process)) {
    return {};
  }
  Result<void> result = withdraw(position, process, hook_->actions());
  set(record(position).state, State::Free);
  return result;
}

// --- Putting right.

// Guardians ask this four times a second; what is in the slot nearly always is the first of the chain.
Result<bool> Chain::is_right(std::uint32_t position, Action action) const {
  const std::vector<std::uint32_t> positions = row(action);
  if (std::ranges::find(positions, position) == positions.end()) {
    return false;
  }
  const std::optional<std::uint32_t> holder = TRY(in_slot(action));
  if (!holder) {
    return false;
  }
  return TRY(in_place(action, positions.front())) == holder || TRY(is_ours(action, *holder));
}

Result<std::vector<Action>> Chain::wrong_slots(std::uint32_t position) const {
  std::vector<Action> wrong;
  const std::optional<ChainMember> member = this->member(position);
  if (!member || (member->state != State::Entered && member->state != State::ToldToLeave)) {
    return wrong;
  }
  for (const Action action : member->actions) {
    const bool has_slot = index(action) < parts_.dispatchers.size();  // anyone may have written it
    if (has_slot && !TRY(is_right(position, action))) {
      wrong.push_back(action);
    }
  }
  return wrong;
}

Result<std::optional<Repair>> Chain::repair(std::uint32_t position, Action action) {
  TRY(forget_gone_foreign(action));
  const std::optional<ChainMember> member = this->member(position);
  const bool has_entered =
      member && (member->state == State::Entered || member->state == State::ToldToLeave);
  if (!has_entered || !TRY(in_place(action, position)) || TRY(is_right(position, action))) {
    return std::nullopt;
  }
  const std::optional<std::uint32_t> holder = TRY(in_slot(action));
  Repair repair{.kind = Repair::Kind::Emptied, .action = action, .holder = {}};
  if (!holder) {
    TRY(drop_foreign(action));  // who emptied the slot has left
  } else if (TRY(is_ours(action, *holder))) {
    repair.kind = Repair::Kind::Unlinked;
  } else {
    repair.holder = describe_program(*holder);
    repair.kind = Repair::Kind::Taken;
    if (const Result<void> taken = take_in(action, *holder); !taken) {
      switch (taken.error().code) {
        case Errc::NotFound: return std::nullopt;  // gone already: the next look tells
        case Errc::Permission: repair.kind = Repair::Kind::Lost; return repair;
        case Errc::Busy: repair.kind = Repair::Kind::OtherChain; return repair;
        default: return std::unexpected(taken.error());
      }
    }
    append_foreign(action);
  }
  const std::vector<std::uint32_t> positions = row(action);
  if (std::ranges::find(positions, position) == positions.end()) {
    set(next(action, position), get(head(action)));
    set(head(action), position);
  }
  TRY(put_in_slot(action, parts_.dispatchers[index(action)].get()));
  return repair;
}

void Chain::tell_to_leave(std::uint32_t position, chain::Reason why) const {
  chain::Member& place = record(position);
  place.told_why = why;
  place.told_by_pid = static_cast<std::uint32_t>(::getpid());
  State expected = State::Entered;
  std::atomic_ref<State>(place.state).compare_exchange_strong(expected, State::ToldToLeave);
}

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// Chain: joining, entering and leaving.

#include "attach/chain.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <span>
#include <thread>
#include <utility>

#include "kernel/file_status.h"
#include "kernel/map.h"
#include "kernel/object_ids.h"
#include "kernel/program.h"
#include "kernel/program_info.h"
#include "kernel/quiesce.h"

namespace xdpcap {

using chain::ChainState;
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

template <std::size_t kSize>
void put_text(std::array<char, kSize>& place, const std::string& text) {
  std::memcpy(place.data(), text.data(), std::min(text.size(), kSize - 1));
}

std::vector<Action> actions_of(std::uint32_t bits) {
  std::vector<Action> actions = first_actions(kMostActions);
  std::erase_if(actions, [&](Action action) { return (bits >> index(action) & 1U) == 0; });
  return actions;
}

std::string describe(const ChainMember& member) {
  return fmt::format("pid {} ({})", member.pid, member.command_line);
}

bool share_actions(const ChainMember& member, const std::vector<Action>& actions) {
  return std::ranges::any_of(member.actions, [&](Action action) {
    return std::ranges::find(actions, action) != actions.end();
  });
}

}  // namespace

// --- The maps.

Result<void> Chain::open_maps() {
  state_fd_ = TRY(directory_.open_pin("state"));
  programs_fd_ = TRY(directory_.open_pin("programs"));
  const MapInfo info = TRY(map_info(state_fd_.get()));
  const MapInfo programs = TRY(map_info(programs_fd_.get()));
  if (info.name != chain::kStateMapName || info.value_size_bytes != chain::kStateBytes ||
      programs.type != kMapTypeProgramArray || programs.max_entries != chain::kPlaces) {
    return fail(Errc::InvalidArgument,
                fmt::format("directory {0}, where captures share the hook: what is pinned there is "
                            "not what captures pin; look at it, and remove {0}",
                            directory_.path()));
  }
  mapping_ = TRY(map_pages(state_fd_.get(), chain::kStateBytes, PROT_READ | PROT_WRITE, 0));
  if (state().magic != chain::kMagic || state().version != chain::kVersion) {
    return fail(
        Errc::Unsupported,
        fmt::format(
            "hook {}: an xdpcap of another version is capturing there (it shares the hook in way "
            "{}, this one in way {}); use that one, or end its captures first",
            hook_->path(), state().version, chain::kVersion));
  }
  is_on_hook_ = state().hook_map_id == TRY(map_info(hook_->fd())).id;
  return {};
}

Result<void> Chain::make_maps() {
  const auto value = std::make_unique<std::array<std::byte, chain::kStateBytes>>();
  ChainState head{};
  head.magic = chain::kMagic;
  head.version = chain::kVersion;
  head.hook_map_id = TRY(map_info(hook_->fd())).id;
  std::memcpy(value->data(), &head, sizeof(head));
  const UniqueFd state = TRY(create_mappable_array(chain::kStateMapName, chain::kStateBytes, 1));
  const UniqueFd programs = TRY(create_program_array(chain::kProgramsMapName, chain::kPlaces));
  TRY(put_value(state.get(), 0, *value));
  TRY(directory_.pin("programs", programs.get()));
  TRY(directory_.pin("state", state.get()));
  return open_maps();
}

// What captures use that live; otherwise new ones, in place of what dead ones have left.  What captures have not made stays.
Result<void> Chain::find_maps() {
  const Result<void> opened = open_maps();
  if (opened && is_on_hook_) {
    return {};
  }
  const bool is_of_captures =
      opened || opened.error().code == Errc::NotFound || opened.error().code == Errc::Unsupported;
  if (!is_of_captures) {
    return opened;
  }
  if (has_living()) {
    return opened ? fail(Errc::Busy,
                         fmt::format(
                             "hook {}: captures still run on the map that was pinned there before; "
                             "end them with xdpcap -detach {}",
                             hook_->path(), hook_->path()))
                  : opened;
  }
  is_new_ = true;
  directory_.remove_contents();
  Result<void> made = make_maps();
  if (!made) {
    directory_.remove_contents();
  }
  return made;
}

bool Chain::has_living() const {
  return directory_.count(ChainDirectory::Place::Held) != 0;
}

// --- What they say.

bool Chain::is_entered(std::uint32_t position, Action action) const {
  return (get(state().entered[index(action)]) >> position & 1U) != 0;
}

void Chain::set_entered(std::uint32_t position, Action action, bool is_entered) const {
  std::uint32_t& bits = state().entered[index(action)];
  const std::uint32_t bit = 1U << position;
  set(bits, is_entered ? get(bits) | bit : get(bits) & ~bit);
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

// --- Joining.

Result<std::optional<Chain>> Chain::find(const Hook& hook) {
  std::optional<ChainDirectory> directory = TRY(ChainDirectory::find(hook.path()));
  if (!directory) {
    return std::nullopt;
  }
  Chain chain(hook, *std::move(directory));
  if (Result<void> opened = chain.open_maps(); !opened) {
    if (opened.error().code == Errc::NotFound) {
      return std::nullopt;  // it is being made or removed
    }
    return std::unexpected(std::move(opened).error());
  }
  return std::optional<Chain>(std::move(chain));
}

Result<Chain> Chain::join(const Hook& hook, const JoinOptions& options,
                          std::vector<std::string>& notes) {
  constexpr int kTries = 100;  // each time the last capture may leave, and remove the directory
  for (int i = 0; i < kTries; ++i) {
    Chain chain(hook, TRY(ChainDirectory::make(hook.path(), notes)));
    {
      const Turn turn = chain.directory_.take_turn();
      if (chain.directory_.is_removed()) {
        continue;
      }
      Result<bool> placed = chain.get_place(options, notes);
      if (placed && *placed) {
        chain.is_new_ = false;
        return chain;
      }
      if (!placed) {
        chain.remove_if_empty();
        return std::unexpected(std::move(placed).error());
      }
    }
    TRY(chain.end_captures(chain::Reason::Replaced, options.pid,
                           [](const ChainMember&) { return true; }));
  }
  return fail(Errc::Busy, fmt::format("hook {}: other captures come and go all the time; try again",
                                      hook.path()));
}

// false: others have to leave first.
Result<bool> Chain::get_place(const JoinOptions& options, std::vector<std::string>& notes) {
  TRY(find_maps());
  std::ranges::move(take_out_dead(), std::back_inserter(notes));
  if (options.on_busy == OnBusy::Replace && has_living()) {
    return false;
  }
  TRY(check_slots(options, notes));
  TRY(take_place(options));
  return true;
}

Result<void> Chain::check_slots(const JoinOptions& options, std::vector<std::string>& notes) const {
  const bool wants_alone = options.on_busy == OnBusy::Fail;
  for (const ChainMember& member : members()) {
    if (wants_alone && share_actions(member, options.actions)) {
      return fail(Errc::Busy,
                  fmt::format("hook {}: another capture is running: {}; end it, or share the hook "
                              "with it (-on-busy chain)",
                              hook_->path(), describe(member)));
    }
  }
  for (const Action action : options.actions) {
    const std::optional<std::uint32_t> holder = TRY(in_slot(action));
    if (!holder || options.on_busy == OnBusy::Replace || TRY(is_ours(action, *holder))) {
      continue;
    }
    if (wants_alone) {
      return fail(
          Errc::Busy,
          fmt::format(
              "hook {0}: slot {1} is taken by {2}: another capture is running, or one was killed; "
              "end it, share the hook with it (-on-busy chain), or empty the slot with "
              "`bpftool map delete pinned {0} key {3} 0 0 0`",
              hook_->path(), name(action), describe_program(*holder), index(action)));
    }
    const Result<UniqueFd> program = open_foreign(action, *holder);
    if (!program && program.error().code != Errc::NotFound) {
      return std::unexpected(program.error());
    }
    if (program) {
      notes.push_back(fmt::format("hook {}: slot {} holds {}, which is called after the captures",
                                  hook_->path(), name(action), describe_program(*holder)));
    }
  }
  return {};
}

Result<void> Chain::take_place(const JoinOptions& options) {
  for (std::uint32_t position = kMostCaptures; position-- > 0;) {
    std::optional<UniqueFd> place = TRY(directory_.take_place(position));
    if (!place) {
      continue;
    }
    chain::Member& member = state().members[position];
    member = {};
    member.pid = options.pid;
    for (const Action action : options.actions) {
      member.actions |= 1U << index(action);
    }
    put_text(member.command_line, options.command_line);
    put_text(member.filter, options.filter);
    if (options.counters_fd >= 0) {  // -status does without
      static_cast<void>(directory_.pin(fmt::format("{}/counters", position), options.counters_fd));
    }
    position_ = position;
    place_ = *std::move(place);
    return {};
  }
  return fail(
      Errc::Busy,
      fmt::format(
          "hook {}: {} captures share it, and no more can; end one (xdpcap -list shows them)",
          hook_->path(), kMostCaptures));
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
            "hook {}: slot {} is taken by {}, which is no capture of this user; calling it after this "
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

std::vector<std::string> Chain::take_out_dead() {
  std::vector<std::string> notes;
  for (const ChainMember& member : members()) {
    if (!member.is_alive && take_out(member.position)) {
      notes.push_back(
          fmt::format("removed from the hook what a capture that was killed had left there: {}",
                      describe(member)));
    }
  }
  return notes;
}

std::vector<std::string> Chain::remove_dead() {
  if (directory_.count(ChainDirectory::Place::Dead) == 0) {
    return {};
  }
  const Turn turn = directory_.take_turn();
  std::vector<std::string> notes = take_out_dead();
  remove_if_empty();
  return notes;
}

Result<std::size_t> Chain::end_captures(chain::Reason why, std::uint32_t by_pid,
                                        const std::function<bool(const ChainMember&)>& which) {
  constexpr std::chrono::seconds kPatience(2);
  constexpr std::chrono::milliseconds kPause(5);
  std::vector<ChainMember> told = members();
  std::erase_if(told, [&](const ChainMember& one) { return !one.is_alive || !which(one); });
  for (const ChainMember& one : told) {
    state().members[one.position].told_why = why;
    set(state().members[one.position].told_by_pid, by_pid);
  }
  const auto is_there = [&](const ChainMember& one) {
    return get(state().members[one.position].told_by_pid) != 0 &&
           directory_.place(one.position) == ChainDirectory::Place::Held;
  };
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::ranges::any_of(told, is_there) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kPause);
  }
  const Turn turn = directory_.take_turn();
  Result<void> first;
  for (const ChainMember& one : told) {
    if (is_there(one)) {
      note_first(first, take_out(one.position));
    }
  }
  remove_if_empty();
  return first ? Result<std::size_t>(told.size()) : std::unexpected(std::move(first).error());
}

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// Chain: the places, how a capture comes to one, and how it makes room.

#include <fmt/core.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <span>
#include <thread>
#include <utility>

#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/objects.h"
#include "xdpcap/sharing/chain.h"

namespace xdpcap {

using chain::ChainState;
using chain::get;
using chain::kMostCaptures;

namespace {

using Lock = ChainDirectory::Lock;
using PositionState = ChainDirectory::PositionState;

template <std::size_t kSize>
void put_text(std::array<char, kSize>& place, const std::string& text) {
  std::memcpy(place.data(), text.data(), std::min(text.size(), kSize - 1));
}

template <std::size_t kSize>
std::string text_in(const std::array<char, kSize>& place) {
  return {place.data(), ::strnlen(place.data(), kSize)};
}

std::string describe(const ChainMember& member) {
  return fmt::format("pid {} ({})", member.pid, member.command_line);
}

}  // namespace

// --- The maps.

Result<void> Chain::open_maps() {
  state_fd_ = TRY(directory_.open_pin("state"));
  programs_fd_ = TRY(directory_.open_pin("programs"));
  const MapInfo info = TRY(map_info(state_fd_.get()));
  const MapInfo programs = TRY(map_info(programs_fd_.get()));
  bool is_known =
      info.name == chain::kStateMapName && info.value_size_bytes == chain::kStateBytes &&
      programs.type == kMapTypeProgramArray && programs.max_entries == chain::kProgramKeys;
  if (is_known) {
    mapping_ = TRY(map_pages(state_fd_.get(), chain::kStateBytes, PROT_READ | PROT_WRITE, 0));
    is_known = state().magic == chain::kMagic && state().version == chain::kVersion;
  }
  if (!is_known) {
    return refuse(
        Errc::Unsupported,
        fmt::format(
            "an xdpcap of another version is capturing there, or {} is not of captures; use that "
            "one, or end its captures first",
            directory_.path()));
  }
  is_on_hook_ = state().hook_map_id == TRY(map_info(hook_->fd())).id;
  return {};
}

Result<void> Chain::make_maps() {
  ChainState head{};
  head.magic = chain::kMagic;
  head.version = chain::kVersion;
  head.hook_map_id = TRY(map_info(hook_->fd())).id;
  std::array<std::byte, chain::kStateBytes> value{};
  std::memcpy(value.data(), &head, sizeof(head));
  const UniqueFd state = TRY(create_mappable_array(chain::kStateMapName, chain::kStateBytes, 1));
  const UniqueFd programs = TRY(create_program_array(chain::kProgramsMapName, chain::kProgramKeys));
  TRY(put_value(state.get(), 0, value));
  TRY(directory_.pin("programs", programs.get()));
  TRY(directory_.pin("state", state.get()));
  return open_maps();
}

// What captures use that live; otherwise new ones, in place of what dead ones have left.
Result<void> Chain::find_maps() {
  Result<void> opened = open_maps();
  const bool is_other_version = !opened && opened.error().code == Errc::Unsupported;
  if ((opened && is_on_hook_) || (!opened && !is_gone(opened) && !is_other_version)) {
    return opened;
  }
  if (directory_.count(PositionState::Held) != 0) {
    const std::string where =
        opened ? "the map that was pinned there before"
               : fmt::format("it, but their pins in {} were removed", directory_.path());
    return is_other_version
               ? std::move(opened)
               : refuse(Errc::Busy,
                        fmt::format("captures still run on {}; end them with xdpcap -detach {}",
                                    where, hook_->path()));
  }
  is_new_ = true;
  directory_.remove_contents();
  Result<void> made = make_maps();
  if (!made) {
    directory_.remove_contents();
  }
  return made;
}

// --- Joining.

Result<std::optional<Chain>> Chain::find(const Hook& hook) {
  std::optional<ChainDirectory> directory = TRY(ChainDirectory::find(hook.path()));
  if (!directory) {
    return std::nullopt;
  }
  Chain chain(hook, *std::move(directory));
  const Result<void> opened = chain.open_maps();
  if (is_gone(opened)) {
    return std::nullopt;  // it is being made or removed
  }
  return opened ? Result<std::optional<Chain>>(std::move(chain)) : std::unexpected(opened.error());
}

Result<Chain> Chain::join(const Hook& hook, const JoinOptions& options,
                          std::vector<std::string>& notes) {
  constexpr int kTries = 100;  // each time the last capture may leave, and remove the directory
  for (int i = 0; i < kTries; ++i) {
    Chain chain(hook, TRY(ChainDirectory::make(hook.path(), notes)));
    {
      const Lock locked = chain.directory_.lock();
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
  for (std::string& note : take_out_dead()) {
    notes.push_back(std::move(note));
  }
  if (options.on_busy == OnBusy::Replace && directory_.count(PositionState::Held) != 0) {
    return false;
  }
  if (options.on_busy != OnBusy::Replace) {
    TRY(check_slots(options, notes));
  }
  TRY(take_place(options));
  return true;
}

Result<void> Chain::check_slots(const JoinOptions& options, std::vector<std::string>& notes) const {
  const bool wants_alone = options.on_busy == OnBusy::Fail;
  for (const ChainMember& member : members()) {
    if (wants_alone &&
        std::ranges::find_first_of(member.actions, options.actions) != member.actions.end()) {
      return refuse(Errc::Busy,
                    fmt::format("another capture is running: {}; end it, or share the hook with it "
                                "(-on-busy chain)",
                                describe(member)));
    }
  }
  for (const Action action : options.actions) {
    const std::optional<std::uint32_t> holder = TRY(in_slot(action));
    if (!holder || TRY(is_ours(action, *holder))) {
      continue;
    }
    const std::string program = describe_program(*holder);
    if (wants_alone) {
      return refuse(
          Errc::Busy,
          fmt::format(
              "slot {} is taken by {}: another capture is running, or one was killed; end it, share "
              "the hook with it (-on-busy chain), or empty the slot with "
              "`bpftool map delete pinned {} key {} 0 0 0`",
              name(action), program, hook_->path(), index(action)));
    }
    const Result<UniqueFd> opened = open_foreign(action, *holder);
    if (opened) {
      notes.push_back(fmt::format("hook {}: slot {} holds {}, which is called after the captures",
                                  hook_->path(), name(action), program));
    } else if (!is_gone(opened)) {
      return std::unexpected(opened.error());
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
  return refuse(
      Errc::Busy,
      fmt::format("{} captures share it, and no more can; end one (xdpcap -list shows them)",
                  kMostCaptures));
}

void Chain::remove_if_empty() const {
  const bool is_free = directory_.count(PositionState::Free) == kMostCaptures;
  if (!place_.is_open() && (is_new_ || (mapping_ != nullptr && is_free))) {
    directory_.remove();
  } else if (!place_.is_open()) {
    directory_.remove_if_empty();  // where nothing can be opened, all places look held
  }
}

// --- Others.

ChainMember Chain::member(std::uint32_t position) const {
  chain::Member& place = state().members[position];
  std::vector<Action> actions = first_actions(kMostActions);
  std::erase_if(actions, [&](Action action) { return (place.actions >> index(action) & 1U) == 0; });
  return {.position = position,
          .is_alive = directory_.state_of(position) == PositionState::Held,
          .pid = place.pid,
          .told_by_pid = get(place.told_by_pid),
          .told_why = place.told_why,
          .actions = std::move(actions),
          .command_line = text_in(place.command_line),
          .filter = text_in(place.filter)};
}

std::vector<ChainMember> Chain::members() const {
  std::vector<ChainMember> members;
  for (std::uint32_t position = 0; position < kMostCaptures; ++position) {
    if (directory_.state_of(position) != PositionState::Free) {
      members.push_back(member(position));
    }
  }
  return members;
}

std::optional<ChainMember> Chain::told_to_leave() const {
  const bool is_told = get(state().members[position_].told_by_pid) != 0;
  return is_told ? std::optional(member(position_)) : std::nullopt;
}

std::vector<std::string> Chain::take_out_dead() const {
  std::vector<std::string> notes;
  for (const ChainMember& member : members()) {
    if (!member.is_alive && take_out(member.position)) {
      notes.push_back("removed from the hook what a capture that was killed had left there: " +
                      describe(member));
    }
  }
  return notes;
}

std::vector<std::string> Chain::remove_dead() {
  if (directory_.count(PositionState::Dead) == 0) {
    return {};
  }
  const Lock locked = directory_.lock();
  std::vector<std::string> notes = take_out_dead();
  remove_if_empty();
  return notes;
}

Result<std::size_t> Chain::end_captures(chain::Reason why, std::uint32_t by_pid,
                                        const std::function<bool(const ChainMember&)>& which) {
  constexpr std::chrono::seconds kPatience(2);
  constexpr std::chrono::milliseconds kPause(5);
  // Under the lock, else a newcomer at the place of one that leaves might be told.
  Lock locked = directory_.lock();
  std::vector<ChainMember> told = members();
  std::erase_if(told, [&](const ChainMember& one) { return !one.is_alive || !which(one); });
  for (const ChainMember& one : told) {
    state().members[one.position].told_why = why;
    chain::set(state().members[one.position].told_by_pid, by_pid);
  }
  locked.reset();
  const auto is_there = [&](const ChainMember& one) {
    return get(state().members[one.position].told_by_pid) != 0 &&
           directory_.state_of(one.position) == PositionState::Held;
  };
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::ranges::any_of(told, is_there) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kPause);
  }
  locked = directory_.lock();
  Result<void> ended;
  for (const ChainMember& one : told) {
    if (Result<void> out = is_there(one) ? take_out(one.position) : Result<void>{}; ended) {
      ended = std::move(out);
    }
  }
  remove_if_empty();
  return ended ? Result<std::size_t>(told.size()) : std::unexpected(std::move(ended).error());
}

}  // namespace xdpcap

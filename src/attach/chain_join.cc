// SPDX-License-Identifier: BSD-3-Clause
//
// Chain: how a capture comes to its place, and how it makes room.

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <iterator>
#include <memory>
#include <span>
#include <thread>
#include <utility>

#include "attach/chain.h"
#include "kernel/map.h"

namespace xdpcap {

using chain::ChainState;
using chain::get;
using chain::kMostCaptures;
using chain::set;

namespace {

using Turn = ChainDirectory::Turn;

template <std::size_t kSize>
void put_text(std::array<char, kSize>& place, const std::string& text) {
  std::memcpy(place.data(), text.data(), std::min(text.size(), kSize - 1));
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
  if (info.name != chain::kStateMapName || programs.type != kMapTypeProgramArray) {
    return fail(Errc::InvalidArgument,
                fmt::format("directory {0}, where captures share the hook: what is pinned there is "
                            "not what captures pin; look at it, and remove {0}",
                            directory_.path()));
  }
  const auto of_another_version = [&](const std::string& way) {
    return fail(
        Errc::Unsupported,
        fmt::format(
            "hook {}: an xdpcap of another version is capturing there (it shares the hook in "
            "{}, this one in way {}); use that one, or end its captures first",
            hook_->path(), way, chain::kVersion));
  };
  if (info.value_size_bytes != chain::kStateBytes || programs.max_entries != chain::kPlaces) {
    return of_another_version("another way");
  }
  mapping_ = TRY(map_pages(state_fd_.get(), chain::kStateBytes, PROT_READ | PROT_WRITE, 0));
  if (state().magic != chain::kMagic || state().version != chain::kVersion) {
    return of_another_version(fmt::format("way {}", state().version));
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
    if (!opened && opened.error().code == Errc::Unsupported) {
      return opened;
    }
    return fail(
        Errc::Busy,
        fmt::format("hook {0}: captures still run on {1}; end them with xdpcap -detach {0}",
                    hook_->path(),
                    opened ? "the map that was pinned there before"
                           : "it, but their pins in " + directory_.path() + " were removed"));
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

// --- Making others leave.

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
  Result<std::size_t> ended = told.size();
  for (const ChainMember& one : told) {
    if (Result<void> out = is_there(one) ? take_out(one.position) : Result<void>{}; !out && ended) {
      ended = std::unexpected(std::move(out).error());
    }
  }
  remove_if_empty();
  return ended;
}

}  // namespace xdpcap

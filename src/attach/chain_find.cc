// SPDX-License-Identifier: BSD-3-Clause

#include "attach/chain_find.h"

#include <algorithm>
#include <set>

#include "kernel/map.h"
#include "kernel/object_ids.h"
#include "kernel/program.h"
#include "kernel/program_info.h"

namespace xdpcap {
namespace {

struct StateMap {
  std::uint32_t id = 0;
  UniqueFd fd;
};

// The parts of the chain that a map of its name belongs to; nullopt: they are gone, as they are with its last process.
Result<std::optional<ChainParts>> parts_of(UniqueFd state_fd, const Hook& hook,
                                           std::uint32_t programs_map_id) {
  ChainParts parts;
  parts.state = std::move(state_fd);
  Result<UniqueFd> programs = open_map(programs_map_id);
  if (!programs) {
    return std::nullopt;
  }
  parts.programs = *std::move(programs);
  for (const Action action : hook.actions()) {
    const Result<std::optional<std::uint32_t>> id =
        program_in_slot(parts.programs.get(), chain::place_of(action, chain::kDispatcherPosition));
    if (!id || !*id) {
      return std::nullopt;
    }
    Result<UniqueFd> dispatcher = open_program(**id);
    if (!dispatcher) {
      return std::nullopt;
    }
    parts.dispatchers.push_back(*std::move(dispatcher));
  }
  return parts;
}

// The map of a chain that a program uses, with its id; not open: it uses none.
//
// Maps are opened in the order in which the program names them, and no further: behind it comes the program array.  To open
// and close that when its last process has just died would make the kernel empty it twice at once, and then keep it for
// ever.  Source: Linux v6.18 kernel/bpf/arraymap.c prog_array_map_clear(): a reference is taken also when its work is pending.
Result<StateMap> state_map_of(const ProgramInfo& program) {
  for (const std::uint32_t id : program.map_ids) {
    Result<UniqueFd> fd = open_map(id);
    if (is_gone(fd)) {
      continue;
    }
    UniqueFd map = TRY(std::move(fd));
    if (TRY(map_info(map.get())).name == chain::kStateMapName) {
      return StateMap{.id = id, .fd = std::move(map)};
    }
  }
  return StateMap{};
}

// Adds the chain of a map to `found`, if it is one on `hook`.
Result<void> look_at(const Hook& hook, std::uint32_t hook_map_id, StateMap map,
                     FoundChains& found) {
  Result<ChainRecords> records = ChainRecords::map(map.fd.get());
  if (!records || records->hook_map_id() != hook_map_id) {
    return {};
  }
  const std::vector<ChainMember> members = records->members();
  if (std::ranges::none_of(members, is_alive)) {
    found.remains.push_back({.state_map_id = map.id, .members = members});
    return {};
  }
  std::optional<ChainParts> parts;
  if (!found.live) {
    parts = TRY(parts_of(std::move(map.fd), hook, records->programs_map_id()));
  }
  if (parts) {
    found.live = TRY(Chain::adopt(hook, *std::move(parts)));
  } else {
    found.strangers.insert(found.strangers.end(), members.begin(), members.end());
  }
  return {};
}

}  // namespace

Result<FoundChains> find_chains(const Hook& hook) {
  const std::uint32_t hook_map_id = TRY(map_info(hook.fd())).id;
  FoundChains found;
  std::set<std::uint32_t> seen;
  for (const std::uint32_t id : TRY(all_program_ids())) {
    const Result<UniqueFd> program = open_program(id);
    if (is_gone(program)) {
      continue;
    }
    if (!program) {
      return std::unexpected(program.error());
    }
    const ProgramInfo info = TRY(program_info(program->get()));
    if (info.type != kProgramTypeXdp || !info.name.starts_with(chain::kProgramNamePrefix)) {
      continue;
    }
    StateMap map = TRY(state_map_of(info));
    if (map.fd.is_open() && seen.insert(map.id).second) {
      TRY(look_at(hook, hook_map_id, std::move(map), found));
    }
  }
  return found;
}

Result<FoundChains> reach_chains(const Hook& hook, const AskOthers& ask_others) {
  Result<FoundChains> found = find_chains(hook);
  if (found || found.error().code != Errc::Permission) {
    return found;
  }
  FoundChains answered;
  std::optional<ChainParts> parts = ask_others ? ask_others() : std::optional<ChainParts>();
  if (!parts) {
    return answered;
  }
  Result<Chain> chain = Chain::adopt(hook, *std::move(parts));
  if (!chain && chain.error().code == Errc::InvalidArgument) {
    return answered;  // somebody answered nonsense
  }
  answered.live = TRY(std::move(chain));
  return answered;
}

Result<std::size_t> remove_remains(const Hook& hook, const Remains& remains) {
  std::size_t removed = 0;
  for (const Action action : hook.actions()) {
    const auto slot = static_cast<std::uint32_t>(index(action));
    const std::optional<std::uint32_t> id = TRY(program_in_slot(hook.fd(), slot));
    if (!id) {
      continue;
    }
    const Result<UniqueFd> program = open_program(*id);
    if (!program) {
      continue;
    }
    const std::vector<std::uint32_t> maps = TRY(program_info(program->get())).map_ids;
    if (std::ranges::find(maps, remains.state_map_id) != maps.end()) {
      TRY(remove_program(hook.fd(), slot));
      ++removed;
    }
  }
  return removed;
}

}  // namespace xdpcap

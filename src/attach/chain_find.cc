// SPDX-License-Identifier: BSD-3-Clause

#include "attach/chain_find.h"

#include <algorithm>

#include "kernel/map.h"
#include "kernel/object_ids.h"
#include "kernel/program_info.h"

namespace xdpcap {
namespace {

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

// Adds the chain of map `id` to `found`, if it is one on `hook`.
Result<void> look_at(const Hook& hook, std::uint32_t hook_map_id, std::uint32_t id,
                     FoundChains& found) {
  Result<UniqueFd> fd = open_map(id);
  if (!fd) {
    return fd.error().code == Errc::NotFound ? Result<void>{}
                                             : Result<void>(std::unexpected(fd.error()));
  }
  const MapInfo info = TRY(map_info(fd->get()));
  if (info.name != chain::kStateMapName || info.type != kMapTypeArray || info.max_entries != 1) {
    return {};
  }
  Result<ChainRecords> records = ChainRecords::map(fd->get());
  if (!records || records->hook_map_id() != hook_map_id) {
    return {};
  }
  const std::vector<ChainMember> members = records->members();
  if (std::ranges::none_of(members, is_alive)) {
    found.remains.push_back({.state_map_id = id, .members = members});
    return {};
  }
  std::optional<ChainParts> parts;
  if (!found.live) {
    parts = TRY(parts_of(*std::move(fd), hook, records->programs_map_id()));
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
  for (const std::uint32_t id : TRY(all_map_ids())) {
    TRY(look_at(hook, hook_map_id, id, found));
  }
  return found;
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

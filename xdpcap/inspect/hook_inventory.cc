// SPDX-License-Identifier: BSD-3-Clause
//
// First the machine is looked at as a whole, then each hook is looked up in what was seen.

#include "xdpcap/inspect/hook_inventory.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <ranges>
#include <set>

#include "xdpcap/kernel/map.h"
#include "xdpcap/kernel/network_namespaces.h"
#include "xdpcap/kernel/objects.h"
#include "xdpcap/kernel/pin.h"
#include "xdpcap/kernel/program.h"
#include "xdpcap/program/chain_state.h"

namespace xdpcap {
namespace {

/// A program array that XDP programs use, or that nobody does yet.
struct ProgramArray {
  MapInfo info;
  bool is_owned = false;
  std::map<std::uint32_t, std::uint32_t> program_ids;  ///< by slot
};

/// What there is on the machine, of what matters here.
struct Machine {
  std::map<std::uint32_t, ProgramInfo> programs;  ///< XDP programs and extensions, by id
  std::map<std::uint32_t, ProgramArray> arrays;   ///< that they use, by id
  ProgramCalls calls;
  std::vector<XdpLink> links;
  std::vector<Interface> interfaces;
};

template <typename Range, typename Value>
bool contains(const Range& range, const Value& value) {
  return std::ranges::find(range, value) != range.end();
}

bool has_shape_of_hook(const MapInfo& map) {
  constexpr std::uint32_t kSizeBytes = 4;
  return map.type == kMapTypeProgramArray && map.key_size_bytes == kSizeBytes &&
         map.value_size_bytes == kSizeBytes;
}

/// nullopt when it is no program array, or one of programs that are not XDP.
Result<std::optional<ProgramArray>> read_array(int map_fd) {
  ProgramArray array;
  array.info = TRY(map_info(map_fd));
  if (!has_shape_of_hook(array.info)) {
    return std::nullopt;
  }
  const Result<std::optional<std::uint32_t>> owner = owner_program_type(map_fd);
  if (owner) {
    if (owner->value_or(kProgramTypeXdp) != kProgramTypeXdp) {
      return std::nullopt;
    }
    array.is_owned = owner->has_value();
  } else if (owner.error().sys_errno == EPERM || owner.error().sys_errno == EACCES) {
    array.is_owned = true;  // a guardian may open no file, and its hook has an owner
  } else {
    return std::unexpected(owner.error());
  }
  for (std::uint32_t slot = 0; slot < std::min(array.info.max_entries, kMostSlotsLookedInto);
       ++slot) {
    if (const std::optional<std::uint32_t> id = TRY(program_in_slot(map_fd, slot))) {
      array.program_ids[slot] = *id;
    }
  }
  return array;
}

/// Calls `use(fd)` for each object that still exists.
template <typename Use>
Result<void> for_each_object(const std::vector<std::uint32_t>& ids,
                             Result<UniqueFd> (*open)(std::uint32_t), const Use& use) {
  for (const std::uint32_t id : ids) {
    const Result<UniqueFd> fd = open(id);
    if (is_gone(fd)) {
      continue;
    }
    if (!fd.has_value()) {
      return std::unexpected(fd.error());
    }
    TRY(use(fd->get()));
  }
  return {};
}

Result<void> find_programs(Machine& machine) {
  return for_each_object(TRY(all_program_ids()), open_program, [&](int fd) -> Result<void> {
    ProgramInfo info = TRY(program_info(fd));
    if (info.type == kProgramTypeXdp || info.type == kProgramTypeExtension) {
      machine.programs.emplace(info.id, std::move(info));
    }
    return {};
  });
}

/// Adds those of the maps that are program arrays.
Result<void> add_arrays(const std::vector<std::uint32_t>& map_ids, Machine& machine) {
  return for_each_object(map_ids, open_map, [&](int fd) -> Result<void> {
    if (std::optional<ProgramArray> array = TRY(read_array(fd))) {
      machine.arrays.emplace(array->info.id, std::move(*array));
    }
    return {};
  });
}

Result<void> find_arrays(Machine& machine) {
  std::set<std::uint32_t> ids;
  for (const auto& [id, program] : machine.programs) {
    // Capture programs use no hook, and their own arrays are better left alone while they go (chain.h).
    if (!program.name.starts_with(chain::kProgramNamePrefix)) {
      ids.insert(program.map_ids.begin(), program.map_ids.end());
    }
  }
  TRY(add_arrays({ids.begin(), ids.end()}, machine));
  for (const auto& [id, program] : machine.programs) {
    for (const std::uint32_t map_id : program.map_ids) {
      if (const auto array = machine.arrays.find(map_id); array != machine.arrays.end()) {
        for (const auto& [slot, called] : array->second.program_ids) {
          machine.calls[id].push_back(called);
        }
      }
    }
  }
  return {};
}

Result<void> find_links(Machine& machine) {
  const Result<std::vector<std::uint32_t>> ids = all_link_ids();
  if (!ids.has_value() && ids.error().code == Errc::Unsupported) {
    return {};  // kernels without ids of links
  }
  return for_each_object(TRY(ids), open_link, [&](int fd) -> Result<void> {
    // One that cannot be asked is of a kind that is of no interest here.
    const ProgramLink link = program_link(fd).value_or(OtherLink{});
    if (const auto* xdp = std::get_if<XdpLink>(&link); xdp != nullptr && xdp->ifindex != 0) {
      machine.links.push_back(*xdp);
    } else if (const auto* extension = std::get_if<ExtensionLink>(&link)) {
      machine.calls[extension->target_program_id].push_back(extension->program_id);
    }
    return {};
  });
}

Result<Machine> look_at_machine(Scope scope) {
  Machine machine;
  TRY(find_programs(machine));
  if (scope == Scope::Nowhere) {
    return machine;
  }
  TRY(find_arrays(machine));
  TRY(find_links(machine));
  machine.interfaces = TRY(all_interfaces());
  if (scope == Scope::AllNamespaces) {
    std::ranges::move(TRY(xdp_interfaces_elsewhere()), std::back_inserter(machine.interfaces));
  }
  return machine;
}

ProgramName program_name_of(const Machine& machine, std::uint32_t id) {
  const auto program = machine.programs.find(id);
  return {.id = id, .name = program == machine.programs.end() ? "" : program->second.name};
}

bool is_here(const Machine& machine, const XdpLink& link) {
  return std::ranges::any_of(machine.interfaces, [&link](const Interface& interface) {
    return interface.ifindex == link.ifindex &&
           contains(interface.xdp | std::views::transform(&XdpAttachment::program_id),
                    link.program_id);
  });
}

HookUser describe_user(const Machine& machine, std::uint32_t program_id) {
  HookUser user;
  user.program = program_name_of(machine, program_id);
  const auto leads_here = [&](std::uint32_t id) {
    return contains(programs_reached(id, machine.calls), program_id);
  };
  for (const Interface& interface : machine.interfaces) {
    for (const XdpAttachment& attached : interface.xdp) {
      if (!leads_here(attached.program_id)) {
        continue;
      }
      user.interfaces.push_back({.ifindex = interface.ifindex,
                                 .name = interface.name,
                                 .state = interface.state,
                                 .mode = attached.mode,
                                 .via = attached.program_id == program_id
                                            ? ProgramName{}
                                            : program_name_of(machine, attached.program_id),
                                 .network_namespace = interface.network_namespace});
    }
  }
  for (const XdpLink& link : machine.links) {
    if (!is_here(machine, link) && leads_here(link.program_id)) {
      user.ifindexes_elsewhere.push_back(link.ifindex);
    }
  }
  return user;
}

Result<std::vector<HookUser>> find_users(const Machine& machine, std::uint32_t map_id) {
  std::vector<HookUser> users;
  for (const auto& [id, program] : machine.programs) {
    if (contains(program.map_ids, map_id) && !TRY(is_capture_program(program))) {
      users.push_back(describe_user(machine, id));
    }
  }
  return users;
}

/// Names what sits in a slot, as far as that may be asked.
SlotProgram describe_holder(std::uint32_t slot, std::uint32_t program_id) {
  SlotProgram holder{.slot = slot, .program = {.id = program_id, .name = ""}};
  const Result<UniqueFd> fd = open_program(program_id);
  if (!fd.has_value()) {
    return holder;
  }
  if (Result<ProgramInfo> info = program_info(fd->get())) {
    holder.is_capture = is_capture_program(*info).value_or(false);
    holder.program.name = std::move(info->name);
  }
  return holder;
}

HookFacts describe_hook(const ProgramArray& array, std::span<const PinnedMap> pins) {
  HookFacts facts;
  facts.map_id = array.info.id;
  facts.name = array.info.name;
  facts.slots = array.info.max_entries;
  facts.is_owned = array.is_owned;
  for (const PinnedMap& pin : pins) {
    if (pin.map.id == facts.map_id) {
      facts.paths.push_back(pin.path);
    }
  }
  for (const auto& [slot, program_id] : array.program_ids) {
    facts.holders.push_back(describe_holder(slot, program_id));
  }
  return facts;
}

}  // namespace

Result<HookFacts> hook_facts(const Hook& hook, Scope scope) {
  const std::string what = fmt::format("look at hook {}", hook.path());
  const std::optional<ProgramArray> array = TRY(read_array(hook.fd()).with_context(what));
  if (!array.has_value()) {
    return fail(Errc::InvalidArgument,
                fmt::format("{}: it is not a program array of XDP programs; xdpcap -list shows the "
                            "hooks of this machine",
                            what));
  }
  HookFacts facts = describe_hook(*array, scope == Scope::Nowhere
                                              ? std::vector<PinnedMap>()
                                              : pinned_maps().value_or(std::vector<PinnedMap>()));
  Result<Machine> machine = look_at_machine(scope);
  if (machine.has_value()) {
    facts.users = TRY(find_users(*machine, facts.map_id));
  } else if (machine.error().code == Errc::Permission) {
    facts.users = std::unexpected(machine.error());
  } else {
    return std::unexpected(machine.error());
  }
  std::erase(facts.paths, hook.path());
  facts.paths.insert(facts.paths.begin(), hook.path());
  return facts;
}

Result<bool> is_capture_program(const ProgramInfo& program) {
  for (const std::uint32_t id : program.map_ids) {
    const Result<UniqueFd> fd = open_map(id);
    if (is_gone(fd)) {
      continue;
    }
    if (!fd.has_value()) {
      return std::unexpected(fd.error());
    }
    if (TRY(map_info(fd->get())).name == chain::kStateMapName) {
      return true;
    }
  }
  return false;
}

Result<std::vector<HookFacts>> find_hooks() {
  Machine machine = TRY(look_at_machine(Scope::AllNamespaces));
  const std::vector<PinnedMap> pins = TRY(pinned_maps());
  std::vector<std::uint32_t> unused;
  for (const PinnedMap& pin : pins) {
    if (has_shape_of_hook(pin.map) && !machine.arrays.contains(pin.map.id)) {
      unused.push_back(pin.map.id);
    }
  }
  TRY(add_arrays(unused, machine));
  std::vector<HookFacts> hooks;
  for (const auto& [id, array] : machine.arrays) {
    if (array.info.name == chain::kProgramsMapName) {
      continue;
    }
    HookFacts facts = describe_hook(array, pins);
    facts.users = TRY(find_users(machine, id));
    // Arrays that only captures use are theirs.
    if (!facts.users->empty() || !facts.paths.empty()) {
      hooks.push_back(std::move(facts));
    }
  }
  return hooks;
}

std::vector<std::uint32_t> programs_reached(std::uint32_t program_id, const ProgramCalls& calls) {
  std::vector<std::uint32_t> reached = {program_id};
  std::set<std::uint32_t> seen = {program_id};
  for (std::size_t i = 0; i < reached.size(); ++i) {
    const auto called = calls.find(reached[i]);
    if (called == calls.end()) {
      continue;
    }
    for (const std::uint32_t id : called->second) {
      if (seen.insert(id).second) {
        reached.push_back(id);
      }
    }
  }
  return reached;
}

}  // namespace xdpcap

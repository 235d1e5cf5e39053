// SPDX-License-Identifier: BSD-3-Clause
//
// Chain: making one, and taking part in one.

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

#include "attach/chain.h"
#include "attach/chain_access.h"
#include "attach/hand_on_code.h"
#include "kernel/map.h"
#include "kernel/program.h"

namespace xdpcap {

using chain::ChainState;

namespace {

template <std::size_t kSize>
void put_text(std::array<char, kSize>& place, const std::string& text) {
  place.fill('\0');
  const std::size_t length = std::min(text.size(), kSize - 1);
  std::memcpy(place.data(), text.data(), length);
}

Result<UniqueFd> load_dispatcher(const Variant& variant, const HandOnSpec& spec) {
  const std::vector<cbpfc::ebpf::Insn> insns = TRY(build_dispatcher(spec));
  return load_xdp_program({.name = "xdpcap_first",
                           .insns = insns,
                           .expected_attach_type = variant.expected_attach_type,
                           .multi_buffer = variant.multi_buffer});
}

// What makes a map's memory that of a chain.
Result<void> put_chain_head(int state_fd, std::uint32_t hook_map_id,
                            std::uint32_t programs_map_id) {
  const auto state = std::make_unique<ChainState>();
  state->magic = chain::kMagic;
  state->version = chain::kVersion;
  state->hook_map_id = hook_map_id;
  state->programs_map_id = programs_map_id;
  return put_value(state_fd, 0, std::as_bytes(std::span(state.get(), 1)));
}

}  // namespace

chain::Member& Chain::record(std::uint32_t position) const {
  return state().members[position - 1];
}

Result<Chain> Chain::create(const Hook& hook, const Variant& variant) {
  Chain made;
  made.hook_ = &hook;
  made.parts_.state = TRY(create_mappable_array(chain::kStateMapName, sizeof(ChainState), 1));
  made.parts_.programs = TRY(create_program_array(chain::kProgramsMapName, chain::kPlaces));
  for (const Action action : hook.actions()) {
    UniqueFd dispatcher = TRY(load_dispatcher(variant, {.action = action,
                                                        .state_fd = made.state_fd(),
                                                        .programs_fd = made.programs_fd(),
                                                        .context = cbpfc::ebpf::Reg::R1}));
    TRY(put_program(made.programs_fd(), chain::place_of(action, chain::kDispatcherPosition),
                    dispatcher.get()));
    made.parts_.dispatchers.push_back(std::move(dispatcher));
  }
  const std::uint32_t hook_map_id = TRY(map_info(hook.fd())).id;
  const std::uint32_t programs_map_id = TRY(map_info(made.programs_fd())).id;
  TRY(put_chain_head(made.state_fd(), hook_map_id, programs_map_id));
  made.records_ = TRY(ChainRecords::map(made.state_fd()));
  return made;
}

Result<Chain> Chain::adopt(const Hook& hook, ChainParts parts) {
  Chain chain;
  chain.hook_ = &hook;
  chain.records_ =
      TRY(ChainRecords::map(parts.state.get()).with_context(fmt::format("hook {}", hook.path())));
  const MapInfo programs = TRY(map_info(parts.programs.get()));
  if (chain.state().hook_map_id != TRY(map_info(hook.fd())).id ||
      chain.state().programs_map_id != programs.id || programs.type != kMapTypeProgramArray ||
      programs.max_entries != chain::kPlaces || parts.dispatchers.size() != hook.actions().size()) {
    return fail(
        Errc::InvalidArgument,
        fmt::format("hook {}: join the captures on it: what was found belongs to another hook",
                    hook.path()));
  }
  chain.parts_ = std::move(parts);
  return chain;
}

std::vector<int> Chain::descriptors() const {
  std::vector<int> descriptors = {parts_.state.get(), parts_.programs.get()};
  for (const UniqueFd& dispatcher : parts_.dispatchers) {
    descriptors.push_back(dispatcher.get());
  }
  return descriptors;
}

ChainParts parts_from(std::vector<UniqueFd> descriptors) {
  ChainParts parts;
  for (std::size_t i = 0; i < descriptors.size(); ++i) {
    switch (i) {
      case 0: parts.state = std::move(descriptors[i]); break;
      case 1: parts.programs = std::move(descriptors[i]); break;
      default: parts.dispatchers.push_back(std::move(descriptors[i]));
    }
  }
  return parts;
}

void Chain::beat(std::uint32_t position) const {
  set(record(position).heartbeat_ns, monotonic_ns());
}

void describe(chain::Member& place, const ChainMember& member) {
  place.pid = member.process.pid;
  place.start_time_ticks = member.process.start_time_ticks;
  place.pid_namespace = member.process.pid_namespace;
  place.heartbeat_ns = monotonic_ns();
  place.user_id = member.user_id;
  place.told_by_pid = 0;
  place.actions = 0;
  for (const Action action : member.actions) {
    place.actions |= 1U << index(action);
  }
  put_text(place.command_line, member.command_line);
  put_text(place.filter, member.filter);
}

}  // namespace xdpcap

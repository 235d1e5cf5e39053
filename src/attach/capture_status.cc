// SPDX-License-Identifier: BSD-3-Clause

#include "attach/capture_status.h"

#include <utility>

#include "kernel/map.h"
#include "kernel/object_ids.h"
#include "kernel/program_info.h"

namespace xdpcap {
namespace {

Result<ActionCounters> counters_of_program(std::uint32_t program_id) {
  const UniqueFd program = TRY(open_program(program_id));
  for (const std::uint32_t id : TRY(program_info(program.get())).map_ids) {
    const UniqueFd map = TRY(open_map(id));
    const MapInfo info = TRY(map_info(map.get()));
    if (info.name == kCountersMapName && info.value_size_bytes == sizeof(abi::Counters)) {
      return read_counters(map.get());
    }
  }
  return fail(Errc::NotFound, "the program has no counters");
}

std::optional<ActionCounters> counters_of(const Chain& chain, const ChainMember& member) {
  for (const Action action : member.actions) {
    const Result<std::optional<std::uint32_t>> id =
        program_in_slot(chain.programs_fd(), chain::place_of(action, member.position));
    if (!id || !*id) {
      continue;
    }
    if (Result<ActionCounters> counters = counters_of_program(**id)) {
      return *counters;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<CaptureStatus>> captures_on(const Hook& hook, const AskOthers& ask_others) {
  const FoundChains found = TRY(reach_chains(hook, ask_others));
  std::vector<CaptureStatus> captures;
  if (found.live) {
    for (ChainMember& member : found.live->members()) {
      std::optional<ActionCounters> counters = counters_of(*found.live, member);
      const bool lives = is_alive(member);
      captures.push_back({.member = std::move(member), .is_alive = lives, .counters = counters});
    }
  }
  for (const ChainMember& member : found.strangers) {
    captures.push_back({.member = member, .is_alive = is_alive(member), .counters = std::nullopt});
  }
  for (const Remains& remains : found.remains) {
    for (const ChainMember& member : remains.members) {
      captures.push_back({.member = member, .is_alive = false, .counters = std::nullopt});
    }
  }
  return captures;
}

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause
//
// Tested by: tests/kernel/chain_records_test.cc, chain_test.cc.

#include "attach/chain_records.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <array>

#include "attach/chain_access.h"
#include "kernel/map.h"

namespace xdpcap {

using chain::ChainState;
using chain::kMostCaptures;
using chain::State;

namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;

template <std::size_t kSize>
std::string get_text(const std::array<char, kSize>& place) {
  std::array<char, kSize> copy = place;  // somebody may be writing it
  copy.back() = '\0';
  return {copy.data()};
}

}  // namespace

std::uint64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kSecondNs +
         static_cast<std::uint64_t>(now.tv_nsec);
}

Result<ChainRecords> ChainRecords::map(int state_fd) {
  const MapInfo info = TRY(map_info(state_fd));
  const auto refuse = [] {
    return fail(Errc::InvalidArgument,
                "join the captures on the hook: what was found there is not theirs");
  };
  if (info.type != kMapTypeArray || info.name != chain::kStateMapName || info.max_entries != 1 ||
      info.value_size_bytes < 2 * sizeof(std::uint32_t)) {
    return refuse();
  }
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  ChainRecords records(TRY(map_pages(state_fd, (info.value_size_bytes + page - 1) / page * page,
                                     PROT_READ | PROT_WRITE, 0)));
  const ChainState& state = records.state();
  if (state.magic != chain::kMagic) {
    return refuse();
  }
  if (state.version != chain::kVersion || info.value_size_bytes != sizeof(ChainState)) {
    return fail(
        Errc::Unsupported,
        fmt::format(
            "an xdpcap of another version is capturing there (it shares the hook in way {}, this one "
            "in way {}); use that one, or end its captures first",
            state.version, chain::kVersion));
  }
  return records;
}

ChainState& ChainRecords::state() const {
  return *static_cast<ChainState*>(mapping_.get());
}

std::uint32_t ChainRecords::hook_map_id() const {
  return state().hook_map_id;
}

std::uint32_t ChainRecords::programs_map_id() const {
  return state().programs_map_id;
}

std::optional<ChainMember> ChainRecords::member(std::uint32_t position) const {
  if (position < 1 || position > kMostCaptures) {
    return std::nullopt;
  }
  chain::Member& place = state().members[position - 1];
  ChainMember member{.position = position,
                     .state = get(place.state),
                     .process = {.pid = place.pid,
                                 .start_time_ticks = place.start_time_ticks,
                                 .pid_namespace = place.pid_namespace},
                     .heartbeat_ns = get(place.heartbeat_ns),
                     .user_id = place.user_id,
                     .told_by_pid = place.told_by_pid,
                     .told_why = place.told_why,
                     .actions = {},
                     .command_line = get_text(place.command_line),
                     .filter = get_text(place.filter)};
  for (const Action action : first_actions(kMostActions)) {
    if ((place.actions >> index(action) & 1U) != 0) {
      member.actions.push_back(action);
    }
  }
  return member;
}

std::vector<ChainMember> ChainRecords::members() const {
  std::vector<ChainMember> members;
  for (std::uint32_t position = 1; position <= kMostCaptures; ++position) {
    std::optional<ChainMember> one = member(position);
    if (one->state != State::Free) {
      members.push_back(*std::move(one));
    }
  }
  return members;
}

bool is_alive(const ChainMember& member) {
  constexpr std::uint64_t kMostSilenceNs = 10 * kSecondNs;
  return is_running(member.process).value_or(monotonic_ns() - member.heartbeat_ns < kMostSilenceNs);
}

}  // namespace xdpcap

// SPDX-License-Identifier: BSD-3-Clause

#include "attach/join_chain.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace xdpcap {
namespace {

std::string describe(const ChainMember& member) {
  return fmt::format("pid {} ({})", member.process.pid, member.command_line);
}

std::string describe(const std::vector<ChainMember>& members) {
  std::string text;
  for (const ChainMember& member : members) {
    text += (text.empty() ? "" : ", ") + describe(member);
  }
  return text.empty() ? "a process that is not known any more" : text;
}

std::string removed_note(const std::string& who) {
  return fmt::format("removed from the hook what a capture that was killed had left there: {}",
                     who);
}

// The chain there is, without remains of others; nullopt: none.
Result<std::optional<Chain>> find_chain(const Hook& hook, const JoinOptions& options,
                                        std::vector<std::string>& notes) {
  FoundChains found = TRY(reach_chains(hook, options.ask_others));
  for (const Remains& remains : found.remains) {
    if (TRY(remove_remains(hook, remains)) > 0) {
      notes.push_back(removed_note(describe(remains.members)));
    }
  }
  return std::move(found.live);
}

bool shares_actions(const ChainMember& member, const std::vector<Action>& actions) {
  return std::ranges::any_of(member.actions, [&](Action action) {
    return std::ranges::find(actions, action) != actions.end();
  });
}

// Nobody else may be in the slots.
Result<void> check_free(const Hook& hook, const Chain& chain, const std::vector<Action>& actions) {
  for (const ChainMember& member : chain.members()) {
    if (shares_actions(member, actions)) {
      return fail(Errc::Busy,
                  fmt::format("hook {}: another capture is running: {}; end it, or share the "
                              "hook with it (-on-busy chain)",
                              hook.path(), describe(member)));
    }
  }
  for (const Action action : actions) {
    const std::optional<std::uint32_t> holder = TRY(hook.holder(action));
    if (holder && !TRY(chain.is_ours(action, *holder))) {
      return fail(
          Errc::Busy,
          fmt::format(
              "hook {0}: slot {1} is taken by {2}: another capture is running, or one was "
              "killed; end it, share the hook with it (-on-busy chain), or empty the slot with "
              "`bpftool map delete pinned {0} key {3} 0 0 0`",
              hook.path(), name(action), describe_program(*holder), index(action)));
    }
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> remove_dead(Chain& chain) {
  std::vector<std::string> notes;
  for (const ChainMember& member : chain.members()) {
    if (!is_alive(member)) {
      TRY(chain.leave(member.position, member.process));
      notes.push_back(removed_note(describe(member)));
    }
  }
  return notes;
}

Result<std::size_t> end_captures(Chain& chain, const HookLock& lock, chain::Reason why,
                                 const std::function<bool(const ChainMember&)>& which) {
  constexpr std::chrono::milliseconds kPatience(2'000);
  constexpr std::chrono::milliseconds kPause(20);
  std::vector<ChainMember> told;
  for (const ChainMember& member : chain.members()) {
    if (which(member)) {
      chain.tell_to_leave(member.position, why);
      told.push_back(member);
    }
  }
  const auto is_there = [&](const ChainMember& member) {
    const std::optional<ChainMember> now = chain.member(member.position);
    return now->state != chain::State::Free && now->process == member.process && is_alive(*now);
  };
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::ranges::any_of(told, is_there) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kPause);
  }
  const HookLock::Turn turn = lock.take();
  for (const ChainMember& member : told) {
    TRY(chain.leave(member.position, member.process));
  }
  return told.size();
}

Result<JoinedChain> join_chain(const Hook& hook, const Variant& variant, const HookLock& lock,
                               const JoinOptions& options) {
  const ChainMember self{.process = own_identity(),
                         .user_id = ::geteuid(),
                         .actions = options.actions,
                         .command_line = options.command_line,
                         .filter = options.filter};
  std::optional<HookLock::Turn> turn(std::in_place, lock.take());
  std::vector<std::string> notes;
  std::optional<Chain> chain = TRY(find_chain(hook, options, notes));
  if (!chain) {
    chain = TRY(Chain::create(hook, variant));
  }
  for (std::string& note : TRY(remove_dead(*chain))) {
    notes.push_back(std::move(note));
  }
  if (options.on_busy == OnBusy::Fail) {
    TRY(check_free(hook, *chain, options.actions));
  }
  const std::uint32_t position = TRY(chain->reserve(self));
  turn.reset();  // whoever is to leave needs one, and so does the place when it goes
  JoinedChain joined{.place = ChainPlace(*std::move(chain), position, self.process, lock),
                     .notes = std::move(notes)};
  if (options.on_busy == OnBusy::Replace) {
    TRY(end_captures(
        joined.place.chain(), lock, chain::Reason::Replaced,
        [position](const ChainMember& member) { return member.position != position; }));
  }
  return joined;
}

}  // namespace xdpcap

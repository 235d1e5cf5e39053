// SPDX-License-Identifier: BSD-3-Clause

#include "guard/explanation.h"

#include <algorithm>
#include <utility>

#include "attach/counters.h"
#include "attach/hook_diagnosis.h"
#include "attach/hook_inventory.h"

namespace xdpcap {
namespace {

constexpr std::chrono::seconds kCountingTime{1};

CapturedAction describe(Action action, const abi::Counters& counters) {
  return {.action = action,
          .received = counters.received,
          .matched = counters.matched,
          .held_back = counters.held_back,
          .written = 0,
          .lost = counters.lost};
}

}  // namespace

Explanation::Explanation(const Hook& hook, Chain& chain, const HookLock& lock,
                         std::uint32_t position, ProcessIdentity process, ExplanationParts parts)
    : hook_(hook),
      chain_(chain),
      lock_(lock),
      position_(position),
      process_(process),
      parts_(std::move(parts)) {}

void Explanation::begin() {
  if (due_) {
    return;
  }
  due_ = std::chrono::steady_clock::now() + kCountingTime;
  std::map<Action, int> probes;
  for (const auto& [action, program] : parts_.probes) {
    probes[action] = program.get();
  }
  const HookLock::Turn turn = lock_.take();
  // Slots that cannot be entered are not counted; the sentence then is about the others.
  static_cast<void>(chain_.enter(position_, process_, probes));
}

std::optional<std::string> Explanation::end() {
  due_.reset();
  std::vector<Action> probed;
  for (const auto& [action, program] : parts_.probes) {
    probed.push_back(action);
  }
  {
    const HookLock::Turn turn = lock_.take();
    static_cast<void>(chain_.withdraw(position_, process_, probed));
  }
  const std::optional<ChainMember> member = chain_.member(position_);
  const Result<ActionCounters> counters = read_counters(parts_.counters.get());
  if (!member || !counters) {
    return std::nullopt;
  }
  CaptureSituation situation{.facts = hook_facts(hook_),
                             .filter = member->filter,
                             .captured = {},
                             .others = std::vector<OtherAction>(),
                             .is_recorded = true};
  std::uint64_t recorded = 0;
  for (const Action action : hook_.actions()) {
    const abi::Counters& one = (*counters)[index(action)];
    if (std::ranges::find(probed, action) != probed.end()) {
      situation.others->push_back({.action = action, .received = one.received});
    } else {
      situation.captured.push_back(describe(action, one));
      recorded += one.matched - std::min(one.matched, one.held_back + one.lost);
    }
  }
  return recorded != 0 ? std::nullopt : why_nothing_was_captured(situation);
}

}  // namespace xdpcap

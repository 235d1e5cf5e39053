// SPDX-License-Identifier: BSD-3-Clause

#include "guard/slot_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace xdpcap {
namespace {

constexpr int kMostRepairs = 20;     // of a slot
constexpr int kLooksToForget = 240;  // of one of them: a minute

}  // namespace

std::string SlotWatch::describe(const Repair& repair) {
  const std::string slot = fmt::format("slot {}", name(repair.action));
  switch (repair.kind) {
    case Repair::Kind::Emptied:
      return fmt::format(
          "{} was emptied by somebody else, and is ours again; packets of up to half a second are missing",
          slot);
    case Repair::Kind::Taken:
      return fmt::format(
          "{} was taken by {}, which is now called after the captures; packets of up to half a second are missing",
          slot, repair.holder);
    case Repair::Kind::Lost:
      return fmt::format(
          "{} was taken by {}; its packets are not seen until that leaves, since calling it after this capture "
          "takes CAP_SYS_ADMIN",
          slot, repair.holder);
    case Repair::Kind::OtherChain:
      return fmt::format(
          "{} was taken by {}, an xdpcap that does not know of this one; its packets are not seen until that ends",
          slot, repair.holder);
    case Repair::Kind::Unlinked:
      return fmt::format(
          "{}: the captures there had lost this one, which is back; packets of up to half a second are missing",
          slot);
  }
  return slot;
}

std::vector<std::string> SlotWatch::look() {
  std::vector<std::string> sentences;
  if (++looks_ % kLooksToForget == 0) {
    repairs_.clear();
  }
  const Result<std::vector<Action>> wrong = chain_.wrong_slots(position_);
  if (!wrong) {
    return sentences;
  }
  for (auto said = last_said_.begin(); said != last_said_.end();) {
    const bool is_still_wrong = std::ranges::find(*wrong, said->first) != wrong->end();
    said = is_still_wrong ? std::next(said) : last_said_.erase(said);
  }
  if (wrong->empty()) {
    return sentences;
  }
  const HookLock::Turn turn = lock_.take();
  for (const Action action : *wrong) {
    if (repairs_[action] > kMostRepairs) {
      continue;
    }
    Result<std::optional<Repair>> repair = chain_.repair(position_, action);
    std::string sentence = !repair ? repair.error().message : *repair ? describe(**repair) : "";
    const bool is_ours = repair && *repair && (*repair)->kind != Repair::Kind::Lost &&
                         (*repair)->kind != Repair::Kind::OtherChain;
    if (is_ours && ++repairs_[action] > kMostRepairs) {
      sentence = fmt::format(
          "slot {} is taken by others again and again; this capture leaves it to them for a minute",
          name(action));
    }
    if (!sentence.empty() && last_said_[action] != sentence) {
      sentences.push_back(sentence);
      last_said_[action] = sentence;
    }
  }
  return sentences;
}

}  // namespace xdpcap

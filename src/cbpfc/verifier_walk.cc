// SPDX-License-Identifier: BSD-3-Clause

#include "verifier_walk.h"

#include <algorithm>

#include "overloaded.h"

namespace cbpfc {
namespace {

/// Most ways kept for later before branches are turned round; the limit, and the caller's share of it.
constexpr std::uint32_t kMostKept = 4000;

/// Ways out that a block's guards and loads have, at most two each.
std::uint32_t guards(const Block& block) {
  std::uint32_t count = 0;
  for (const Step& step : block.steps) {
    if (std::holds_alternative<AbsoluteGuard>(step) || std::holds_alternative<DivisorGuard>(step) ||
        std::holds_alternative<LoadAbsolute>(step) ||
        std::holds_alternative<LoadHeaderLength>(step)) {
      count += 1;
    } else if (std::holds_alternative<IndirectGuard>(step) ||
               std::holds_alternative<LoadIndirect>(step)) {
      count += 2;
    }
  }
  return count;
}

}  // namespace

VerifierWalk::VerifierWalk(const Cfg& cfg, const std::vector<BlockId>& next)
    : cfg_(cfg), next_(next), kept_(cfg.blocks.size()), guards_jump_(cfg.blocks.size()) {
  for (BlockId id = cfg.blocks.size(); id-- > 0;) {
    const Block& block = cfg.blocks[id];
    if (!block.reachable) {
      continue;
    }
    std::uint32_t kept = 0;  // 0 behind a return, and for the edge that closes a loop
    if (const auto* jump = std::get_if<Goto>(&block.exit)) {
      kept = kept_[jump->target];
    } else if (const auto* branch = std::get_if<Branch>(&block.exit)) {
      const Arms emitted = arms(*branch, next[id]);
      kept = std::max(kept_[emitted.first] + 1, kept_[emitted.later]);
    }
    guards_jump_[id] = kept + guards(block) > kMostKept;
    kept_[id] = kept + (guards_jump_[id] ? 0 : guards(block));
  }
}

Arms VerifierWalk::arms(BlockId id) const {
  return arms(std::get<Branch>(cfg_.blocks[id].exit), next_[id]);
}

Arms VerifierWalk::arms(const Branch& branch, BlockId next) const {
  Arms emitted{.first = branch.if_false, .later = branch.if_true};
  // "Any bit set" has no inverse.
  if (branch.if_true == next && branch.condition != Condition::AnyBitSet) {
    std::swap(emitted.first, emitted.later);
  }
  if (kept_[emitted.first] + 1 > kMostKept && kept_[emitted.later] < kept_[emitted.first]) {
    std::swap(emitted.first, emitted.later);
  }
  return emitted;
}

}  // namespace cbpfc

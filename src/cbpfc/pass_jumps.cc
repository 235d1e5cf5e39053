// SPDX-License-Identifier: BSD-3-Clause
//
// Straightens control flow.
//
//     0: if a & 0 goto 1 else 2        0: goto 2           0: a = p8[0]
//     1: a = p8[9]; return 0      =>   1: return 0    =>      return a
//     2: goto 3                        (2 threaded)
//     3: a = p8[0]; return a
//
// A block that returns the constant 0 needs none of its steps: all they could do is end with 0
// earlier. That, and sharing equal returns, lets the guards of the next passes see which paths
// cannot match.
//
// Cost: O(blocks).  Does not: follow the values of A through branches.
// Tested by: tests/golden/c.

#include <map>
#include <optional>

#include "passes.h"

namespace cbpfc {
namespace {

/// The one outcome of a branch that has only one; nullopt when it depends on the packet.
std::optional<bool> constant_outcome(const Branch& branch) {
  if (branch.operand.is_x) {
    return std::nullopt;
  }
  const std::uint32_t k = branch.operand.k;
  switch (branch.condition) {
    case Condition::Greater:
      if (k == 0xffffffff) {
        return false;
      }
      break;
    case Condition::GreaterEqual:
      if (k == 0) {
        return true;
      }
      break;
    case Condition::AnyBitSet:
      if (k == 0) {
        return false;
      }
      break;
    case Condition::Equal: break;
  }
  return std::nullopt;
}

class Straightener {
 public:
  explicit Straightener(Cfg& cfg) : cfg_(cfg) {}

  void run() {
    for (BlockId id = cfg_.blocks.size(); id-- > 0;) {  // targets are final before their sources
      straighten(id);
    }
    mark_reachable();
    merge_chains();
  }

 private:
  Block& block(BlockId id) { return cfg_.blocks[id]; }

  /// Where a jump to `id` ends up after jumps to jumps, and after sharing equal returns.
  BlockId destination(BlockId id) {
    if (!block(id).steps.empty()) {
      return id;
    }
    if (const auto* jump = std::get_if<Goto>(&block(id).exit)) {
      return jump->target;
    }
    if (const auto* constant = std::get_if<ReturnConstant>(&block(id).exit)) {
      return return_of_.try_emplace(constant->value, id).first->second;
    }
    return id;
  }

  void straighten(BlockId id) {
    Exit& exit = block(id).exit;
    if (auto* branch = std::get_if<Branch>(&exit)) {
      branch->if_true = destination(branch->if_true);
      branch->if_false = destination(branch->if_false);
      const std::optional<bool> outcome = constant_outcome(*branch);
      if (outcome || branch->if_true == branch->if_false) {
        exit = Goto{outcome.value_or(true) ? branch->if_true : branch->if_false};
      }
    }
    if (auto* jump = std::get_if<Goto>(&exit)) {
      jump->target = destination(jump->target);
      const Block& next = block(jump->target);
      if (next.steps.empty() && !std::holds_alternative<Goto>(next.exit) &&
          !std::holds_alternative<Branch>(next.exit)) {
        exit = Exit(next.exit);
      }
    }
    const auto* constant = std::get_if<ReturnConstant>(&exit);
    if (constant != nullptr && constant->value == 0) {
      block(id).steps.clear();
    }
  }

  void mark_reachable() {
    predecessors_.assign(cfg_.blocks.size(), 0);
    predecessors_[0] = 1;
    std::vector<BlockId> open = {0};
    while (!open.empty()) {
      const BlockId id = open.back();
      open.pop_back();
      for (const BlockId next : successors(block(id).exit)) {
        if (++predecessors_[next] == 1) {
          open.push_back(next);
        }
      }
    }
    for (BlockId id = 0; id < cfg_.blocks.size(); ++id) {
      block(id).reachable = predecessors_[id] > 0;
    }
  }

  /// Appends to each block the block that only it leads to.
  void merge_chains() {
    for (BlockId id = 0; id < cfg_.blocks.size(); ++id) {
      if (!block(id).reachable) {
        continue;
      }
      for (const auto* jump = std::get_if<Goto>(&block(id).exit);
           jump != nullptr && predecessors_[jump->target] == 1;
           jump = std::get_if<Goto>(&block(id).exit)) {
        Block& next = block(jump->target);
        next.reachable = false;
        block(id).steps.insert(block(id).steps.end(), next.steps.begin(), next.steps.end());
        block(id).exit = Exit(next.exit);
      }
    }
  }

  Cfg& cfg_;
  std::map<std::uint32_t, BlockId> return_of_;  // constant -> the block that returns it
  std::vector<std::size_t> predecessors_;
};

}  // namespace

void simplify_jumps(Cfg& cfg) {
  Straightener(cfg).run();
}

}  // namespace cbpfc

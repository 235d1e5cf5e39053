// SPDX-License-Identifier: BSD-3-Clause
//
// A depth-first walk from the entry finds the edges that lead back to a block the walk is still in, which
// close a cycle.  Without those there are none, and of the blocks whose predecessors all have a number,
// the one that came first in the program gets the next.
//
// Cost: O(blocks log blocks).  Source: Cormen et al., Introduction to Algorithms, topological sort.
// Tested by: loops_test.cc.

#include "cbpfc/classic/block_order.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

namespace cbpfc {
namespace {

struct Edge {
  BlockId from;
  BlockId to;
};

/// The reachable edges, and which of them close a cycle.
struct Walk {
  std::vector<bool> reached;
  std::vector<Edge> forward;
  std::vector<Edge> back;
};

Walk walk(const Cfg& cfg) {
  struct Visit {
    BlockId block;
    std::vector<BlockId> next;
  };
  Walk result{.reached = std::vector<bool>(cfg.blocks.size()), .forward = {}, .back = {}};
  std::vector<bool> is_open(cfg.blocks.size());
  std::vector<Visit> open;
  const auto enter = [&](BlockId id) {
    result.reached[id] = true;
    is_open[id] = true;
    open.push_back({.block = id, .next = successors(cfg.blocks[id].exit)});
  };
  enter(0);
  while (!open.empty()) {
    const BlockId from = open.back().block;
    if (open.back().next.empty()) {
      is_open[from] = false;
      open.pop_back();
      continue;
    }
    const BlockId to = open.back().next.back();
    open.back().next.pop_back();
    (is_open[to] ? result.back : result.forward).push_back({.from = from, .to = to});
    if (!result.reached[to]) {
      enter(to);
    }
  }
  return result;
}

constexpr std::size_t kNoLoop = ~std::size_t{0};

/// The number of the loop that each block is in: from a block that an edge leads down to up to where that edge comes from,
/// and all in between.  Two that overlap are one.
std::vector<std::size_t> find_loops(const Cfg& cfg) {
  std::vector<std::size_t> loop_of(cfg.blocks.size(), kNoLoop);
  for (BlockId id = cfg.blocks.size(); id-- > 0;) {
    for (const BlockId first : successors(cfg.blocks[id].exit)) {
      const std::size_t loop = loop_of[id] == kNoLoop ? id : loop_of[id];
      for (BlockId other = first; other <= id; ++other) {
        loop_of[other] = loop;
      }
    }
  }
  return loop_of;
}

/// Whether some edge leads to the same or a lower number.
bool has_downward_edges(const Cfg& cfg) {
  for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
    if (std::ranges::any_of(successors(cfg.blocks[id].exit),
                            [&](BlockId to) { return to <= id; })) {
      return true;
    }
  }
  return false;
}

/// Gives every target of an exit another number.
void retarget(Exit& exit, const std::function<BlockId(BlockId)>& moved) {
  if (auto* jump = std::get_if<Goto>(&exit)) {
    jump->target = moved(jump->target);
  } else if (auto* branch = std::get_if<Branch>(&exit)) {
    branch->if_true = moved(branch->if_true);
    branch->if_false = moved(branch->if_false);
  }
}

/// Numbers the reachable blocks anew, keeping their order where it can be kept, and drops the others.
///
/// Ensures: the edges that lead downwards are those that close a cycle on a walk from the entry; a program
/// without cycles has none.
void order_blocks(Cfg& cfg) {
  const Walk walked = walk(cfg);
  std::vector<std::size_t> predecessors(cfg.blocks.size());
  std::vector<std::vector<BlockId>> followers(cfg.blocks.size());
  for (const Edge& edge : walked.forward) {
    ++predecessors[edge.to];
    followers[edge.from].push_back(edge.to);
  }
  std::priority_queue<BlockId, std::vector<BlockId>, std::greater<>> ready;
  ready.push(0);
  std::vector<BlockId> number_of(cfg.blocks.size());
  Cfg ordered;
  while (!ready.empty()) {
    const BlockId id = ready.top();
    ready.pop();
    number_of[id] = ordered.blocks.size();
    ordered.blocks.push_back(std::move(cfg.blocks[id]));
    for (const BlockId next : followers[id]) {
      if (--predecessors[next] == 0) {
        ready.push(next);
      }
    }
  }
  for (Block& block : ordered.blocks) {
    retarget(block.exit, [&](BlockId id) { return number_of[id]; });
  }
  cfg = std::move(ordered);
}

}  // namespace

void unroll_loops(Cfg& cfg) {
  if (!has_downward_edges(cfg)) {
    return;
  }
  order_blocks(cfg);
  const std::vector<std::size_t> loop_of = find_loops(cfg);
  const auto copies_of = [&](BlockId id) {
    return loop_of[id] == kNoLoop ? std::size_t{1} : kMostLoopTrips + 1;
  };
  // The first copy keeps its number.
  std::vector<BlockId> second_copy(cfg.blocks.size());
  BlockId next_free = cfg.blocks.size();
  for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
    second_copy[id] = next_free;
    next_free += copies_of(id) - 1;
  }
  const auto copy = [&](BlockId id, std::size_t trip) {
    return trip == 0 ? id : second_copy[id] + trip - 1;
  };
  const BlockId give_up = next_free;
  Cfg unrolled;
  unrolled.blocks.resize(next_free + 1);  // the last returns 0
  for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
    for (std::size_t trip = 0; trip < copies_of(id); ++trip) {
      Block block = cfg.blocks[id];
      retarget(block.exit, [&](BlockId next) {
        if (loop_of[id] == kNoLoop || loop_of[next] != loop_of[id]) {
          return next;
        }
        const std::size_t next_trip = trip + (next <= id ? 1 : 0);
        return next_trip < copies_of(id) ? copy(next, next_trip) : give_up;
      });
      unrolled.blocks[copy(id, trip)] = std::move(block);
    }
  }
  order_blocks(unrolled);
  cfg = std::move(unrolled);
}

}  // namespace cbpfc

// SPDX-License-Identifier: BSD-3-Clause
//
// A depth-first walk from the entry finds the edges that lead back to a block the walk is still in, which
// close a cycle.  Without those there are none, and of the blocks whose predecessors all have a number,
// the one that came first in the program gets the next.
//
// Cost: O(blocks log blocks).  Source: Cormen et al., Introduction to Algorithms, topological sort.
// Tested by: loops_test.cc.

#include "block_order.h"

#include <queue>
#include <utility>

#include "overloaded.h"

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

}  // namespace

bool has_downward_edges(const Cfg& cfg) {
  for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
    if (cfg.blocks[id].reachable) {
      for (const BlockId next : successors(cfg.blocks[id].exit)) {
        if (next <= id) {
          return true;
        }
      }
    }
  }
  return false;
}

std::vector<bool> loop_heads(const Cfg& cfg) {
  std::vector<bool> is_head(cfg.blocks.size());
  for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
    if (cfg.blocks[id].reachable) {
      for (const BlockId next : successors(cfg.blocks[id].exit)) {
        is_head[next] = is_head[next] || next <= id;
      }
    }
  }
  return is_head;
}

void retarget(Exit& exit, const std::function<BlockId(BlockId)>& moved) {
  if (auto* jump = std::get_if<Goto>(&exit)) {
    jump->target = moved(jump->target);
  } else if (auto* branch = std::get_if<Branch>(&exit)) {
    branch->if_true = moved(branch->if_true);
    branch->if_false = moved(branch->if_false);
  }
}

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

}  // namespace cbpfc

// SPDX-License-Identifier: BSD-3-Clause
//
// Loops: how often each can go round, and a counter that stops it there.
//
//     0: ...; goto 4                     0: ...; goto 3
//     4: if a == 6 goto 9 else 5         3: loop of at most 8190 trips       (a block of its own)
//     5: a = p8[x + 14]                  4: count; if a == 6 goto 9 else 5
//        x += 8 * (p8[x + 15] + 1)   =>  5: a = p8[x + 14]
//        a = ..., goto 4                    ...; goto 4
//
// The argument.  Take a point of the loop at which only X is still read, of all that has been computed, and
// a load relative to X follows (a checkpoint).  How the run goes on from there depends on nothing but X
// and the packet.  So if it comes there twice with one X it goes round for ever; and with an X for which
// the load is outside the packet it ends at once.  A run that ends on its own therefore passes a checkpoint
// at most once for each X for which the load is inside the packet: 65,535, or a quarter of that where the
// two lowest bits of X are 0.  Where every way from a checkpoint to the next gives X a value of its own, as
// libpcap's code for authentication headers does by mistake, the values it can have bound that checkpoint.
// If every way round the loop passes a checkpoint, the sum over the checkpoints bounds the trips.
//
// A run that makes more trips never ends.  The classic program has no value then; here it does not match.
//
// Followed and unfollowed counters (loop_code.cc): the verifier follows a counter and walks the loop once for
// each of its values, on every kernel that allows loops (5.3); where that would be too much, the counter is
// hidden from it, and an instruction of Linux 6.9 keeps it from walking in circles.
//
// Refused, with the place: loops that are entered in two places, loops within loops, ways round that pass no
// checkpoint or leave X as it is, calls of helpers in a loop, and more trips than the kernel allows.
//
// Cost: a few rounds over the graph; nothing in programs without loops.
// Source: McCanne and Jacobson, 1993 (no backward jumps); libpcap 1.10.3 gencode.c gen_protochain().
// Tested by: loops_test.cc, differential/loops_test.cc.

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "block_order.h"
#include "known_values.h"
#include "passes.h"

namespace cbpfc {
namespace {

/// Instructions the verifier may look at for the sake of followed counters, in all and by our estimate;
/// it gives up after a million.
constexpr std::uint64_t kFollowedInsns = 250'000;

/// Trips after which may_goto ends a loop.  Source: Linux v6.18 include/linux/bpf.h BPF_MAX_LOOPS.
constexpr std::uint64_t kMostHiddenTrips = 8ULL * 1024 * 1024;

struct Loop {
  BlockId head = 0;
  std::set<BlockId> blocks;
};

std::vector<std::vector<BlockId>> predecessors(const Cfg& cfg) {
  std::vector<std::vector<BlockId>> result(cfg.blocks.size());
  for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
    if (cfg.blocks[id].reachable) {
      for (const BlockId next : successors(cfg.blocks[id].exit)) {
        result[next].push_back(id);
      }
    }
  }
  return result;
}

std::unexpected<Error> refuse(const Cfg& cfg, BlockId head, std::string_view why) {
  return fail(Errc::Unsupported, fmt::format("instruction {}: the loop that begins here {}",
                                             cfg.blocks[head].first_insn, why));
}

/// The blocks from which an edge back to `head` can be reached without passing it.
Loop loop_of(const std::vector<std::vector<BlockId>>& predecessors, BlockId head) {
  Loop loop{.head = head, .blocks = {head}};
  std::vector<BlockId> open;
  for (const BlockId from : predecessors[head]) {
    if (from >= head) {
      open.push_back(from);
    }
  }
  while (!open.empty()) {
    const BlockId id = open.back();
    open.pop_back();
    if (loop.blocks.insert(id).second) {
      open.insert(open.end(), predecessors[id].begin(), predecessors[id].end());
    }
  }
  return loop;
}

Result<std::vector<Loop>> find_loops(const Cfg& cfg) {
  const std::vector<bool> is_head = loop_heads(cfg);
  const std::vector<std::vector<BlockId>> before = predecessors(cfg);
  std::vector<Loop> loops;
  std::map<BlockId, BlockId> head_of;
  for (BlockId head = 0; head < cfg.blocks.size(); ++head) {
    if (!is_head[head]) {
      continue;
    }
    loops.push_back(loop_of(before, head));
    for (const BlockId id : loops.back().blocks) {
      const bool is_entered = id == 0 || std::ranges::any_of(before[id], [&](BlockId from) {
                                return !loops.back().blocks.contains(from);
                              });
      if (is_entered && id != head) {
        return refuse(cfg, head, "is entered in two places, here and further on");
      }
      if (const auto [other, is_new] = head_of.emplace(id, head); !is_new) {
        return refuse(
            cfg, head,
            fmt::format("shares instructions with the one that begins at {}; loops within "
                        "loops are not supported",
                        cfg.blocks[other->second].first_insn));
      }
    }
  }
  return loops;
}

/// One loop, and the argument about it.
class LoopBound {
 public:
  LoopBound(const Cfg& cfg, const Loop& loop, const std::vector<VariableSet>& live,
            const std::vector<KnownValues>& known, std::uint32_t max_packet_offset)
      : cfg_(cfg), loop_(loop), live_(live), known_(known), max_packet_offset_(max_packet_offset) {}

  Result<StartLoop> find() {
    for (const BlockId id : loop_.blocks) {
      if (std::ranges::any_of(block(id).steps, [](const Step& step) {
            return std::holds_alternative<CallHelper>(step);
          })) {
        return refuse(
            cfg_, loop_.head,
            "calls a helper, whose answers may differ each time, so that nothing shows that "
            "it ends");
      }
      if (const auto step = find_checkpoint(id)) {
        checkpoints_.emplace(id, *step);
      }
    }
    if (goes_round_without([&](BlockId id) { return checkpoints_.contains(id); })) {
      return refuse(
          cfg_, loop_.head,
          "can go round without a load relative to X at a point where nothing but X counts, "
          "so that nothing shows that it ends");
    }
    if (goes_round_without([&](BlockId id) { return writes_x(id); })) {
      return refuse(cfg_, loop_.head, "can go round without changing X, and would never end");
    }
    StartLoop start{.hides_a = (live_[loop_.head] & set_of(Register::A)) != 0,
                    .hides_x = (live_[loop_.head] & set_of(Register::X)) != 0};
    start.constant = 2;  // entering the loop, and the load that is outside the packet
    for (const auto& [block, step] : checkpoints_) {
      add_visits(block, step, start);
    }
    return start;
  }

 private:
  const Block& block(BlockId id) const { return cfg_.blocks[id]; }

  VariableSet live_at_exit(BlockId id) const {
    VariableSet live = read_by(block(id).exit);
    for (const BlockId next : successors(block(id).exit)) {
      live |= live_[next];
    }
    return live;
  }

  /// The first step of a block that is a checkpoint's load.
  std::optional<std::size_t> find_checkpoint(BlockId id) const {
    std::optional<std::size_t> found;
    VariableSet live = live_at_exit(id);
    for (std::size_t i = block(id).steps.size(); i-- > 0;) {
      live = live_before(block(id).steps[i], live);
      if (std::holds_alternative<LoadIndirect>(block(id).steps[i]) &&
          (live & ~set_of(Register::X)) == 0) {
        found = i;
      }
    }
    return found;
  }

  bool writes_x(BlockId id) const {
    return std::ranges::any_of(block(id).steps,
                               [](const Step& step) { return writes(step, Register::X); });
  }

  /// Whether there is a way round that avoids the blocks for which `blocks` holds.
  template <typename Predicate>
  bool goes_round_without(const Predicate& blocks) const {
    std::set<BlockId> seen;
    std::vector<BlockId> open = {loop_.head};
    while (!open.empty()) {
      const BlockId id = open.back();
      open.pop_back();
      if (blocks(id) || !seen.insert(id).second) {
        continue;
      }
      for (const BlockId next : successors(block(id).exit)) {
        if (next == loop_.head) {
          return true;
        }
        if (loop_.blocks.contains(next)) {
          open.push_back(next);
        }
      }
    }
    return false;
  }

  KnownValues known_before(BlockId id, std::size_t step, KnownValues known) const {
    for (std::size_t i = 0; i < step; ++i) {
      known = known_after(block(id).steps[i], known);
    }
    return known;
  }

  /// Bytes that a checkpoint's load reads.
  std::uint32_t size_at(BlockId id, std::size_t step) const {
    return static_cast<std::uint32_t>(std::get<LoadIndirect>(block(id).steps[step]).size);
  }

  /// Values of X, of those that `x` allows, with which the checkpoint's load may be inside a packet.
  std::uint64_t values_at(BlockId id, std::size_t step, const KnownValue& x) const {
    const std::uint64_t window =
        (std::uint64_t{max_packet_offset_ - size_at(id, step)} >> x.zero_bits) + 1;
    return std::min(window, x.count());
  }

  /// Adds to `start` how often the checkpoint can be passed.
  void add_visits(BlockId id, std::size_t step, StartLoop& start) const {
    const KnownValues here = known_before(id, step, known_[id]);
    const KnownValue& x = here[variable(Register::X)];
    const std::uint64_t by_packet = values_at(id, step, x);
    std::uint64_t by_next = 1;  // the visit after which none follows
    for (const auto& [next, known_x] : next_checkpoints(id, step, here)) {
      by_next += values_at(next, checkpoints_.at(next), known_x);
    }
    if (by_next < by_packet) {
      start.constant += static_cast<std::uint32_t>(by_next);
    } else {
      start.shift = start.windows == 0 ? x.zero_bits : std::min(start.shift, x.zero_bits);
      ++start.windows;
    }
  }

  /// The checkpoints that can come next, with what is known of X there.
  std::map<BlockId, KnownValue> next_checkpoints(BlockId from, std::size_t step,
                                                 const KnownValues& known) const {
    std::map<BlockId, KnownValue> found;
    std::map<BlockId, KnownValues> entries;
    std::vector<BlockId> open;
    const auto leave = [&](BlockId id, std::size_t first_step, KnownValues now) {
      for (std::size_t i = first_step; i < block(id).steps.size(); ++i) {
        now = known_after(block(id).steps[i], now);
      }
      for (const BlockId next : successors(block(id).exit)) {
        if (!loop_.blocks.contains(next)) {
          continue;
        }
        const auto [entry, is_new] = entries.emplace(next, now);
        const KnownValues joined = join(entry->second, now);
        if (is_new || joined != entry->second) {
          entry->second = joined;
          open.push_back(next);
        }
      }
    };
    leave(from, step, known);
    while (!open.empty()) {
      const BlockId id = open.back();
      open.pop_back();
      const auto checkpoint = checkpoints_.find(id);
      if (checkpoint == checkpoints_.end()) {
        leave(id, 0, entries.at(id));
      } else {
        found[id] = known_before(id, checkpoint->second, entries.at(id))[variable(Register::X)];
      }
    }
    return found;
  }

  const Cfg& cfg_;
  const Loop& loop_;
  const std::vector<VariableSet>& live_;
  const std::vector<KnownValues>& known_;
  std::uint32_t max_packet_offset_;
  std::map<BlockId, std::size_t> checkpoints_;  ///< block -> its load
};

/// Instructions the verifier looks at on one way round, roughly.
std::uint64_t cost_of_a_trip(const Cfg& cfg, const Loop& loop) {
  std::uint64_t cost = 20;
  for (const BlockId id : loop.blocks) {
    cost += 4;
    for (const Step& step : cfg.blocks[id].steps) {
      cost += std::holds_alternative<LoadIndirect>(step) ? 14U : 2U;
    }
  }
  return cost;
}

/// Puts the counters in: a new block in front of each head, a step at its start.
void insert_counters(Cfg& cfg, const std::vector<Loop>& loops,
                     const std::vector<StartLoop>& starts) {
  std::map<BlockId, std::size_t> loop_at;
  for (std::size_t i = 0; i < loops.size(); ++i) {
    loop_at.emplace(loops[i].head, i);
  }
  std::vector<BlockId> moved(cfg.blocks.size());
  for (BlockId id = 0, shift = 0; id < cfg.blocks.size(); ++id) {
    shift += loop_at.contains(id) ? 1U : 0U;
    moved[id] = id + shift;
  }
  Cfg counted;
  for (BlockId id = 0; id < cfg.blocks.size(); ++id) {
    Block& block = cfg.blocks[id];
    if (const auto loop = loop_at.find(id); loop != loop_at.end()) {
      const StartLoop& start = starts[loop->second];
      counted.blocks.push_back({.steps = {start},
                                .exit = Goto{moved[id]},
                                .reachable = true,
                                .first_insn = block.first_insn});
      block.steps.insert(block.steps.begin(), CountTrip{.is_followed = start.is_followed});
    }
    retarget(block.exit, [&](BlockId next) {
      const auto loop = loop_at.find(next);
      const bool enters = loop != loop_at.end() && !loops[loop->second].blocks.contains(id);
      return moved[next] - (enters ? 1U : 0U);
    });
    counted.blocks.push_back(std::move(block));
  }
  cfg = std::move(counted);
}

}  // namespace

std::uint64_t most_trips(const StartLoop& start, std::uint32_t length) {
  return start.constant + start.windows * ((std::uint64_t{length} >> start.shift) + 1);
}

Result<void> bound_loops(Cfg& cfg, std::uint32_t max_packet_offset) {
  const std::vector<Loop> loops = TRY(find_loops(cfg));
  const std::vector<VariableSet> live = live_at_entries(cfg);
  const std::vector<KnownValues> known = known_at_entries(cfg);
  std::vector<StartLoop> starts;
  std::uint64_t followed_insns = 0;
  for (const Loop& loop : loops) {
    StartLoop start = TRY(LoopBound(cfg, loop, live, known, max_packet_offset).find());
    start.most = most_trips(start, max_packet_offset);
    const std::uint64_t cost = start.most * cost_of_a_trip(cfg, loop);
    start.is_followed = followed_insns + cost <= kFollowedInsns;
    followed_insns += start.is_followed ? cost : 0;
    if (!start.is_followed &&
        most_trips(start, std::min(max_packet_offset, kMaxPacketOffset)) > kMostHiddenTrips) {
      return refuse(cfg, loop.head,
                    fmt::format("may go round {} times, and the kernel stops one after {}",
                                start.most, kMostHiddenTrips));
    }
    starts.push_back(start);
  }
  insert_counters(cfg, loops, starts);
  return {};
}

}  // namespace cbpfc

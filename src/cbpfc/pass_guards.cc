// SPDX-License-Identifier: BSD-3-Clause
//
// Packet guards: makes every packet load provably in bounds.
//
// The kernel verifier accepts a load only behind a comparison with data_end that covers it.  A
// guard that fails ends the program with 0, as the load would have; so a guard may stand for a
// later load too, as long as every path from it that can still match runs into that load:
//
//     0: a = p16[12]                        0: guard p[..24]; a = p16[12]
//        if a == 0x800 goto 1 else 2           if a == 0x800 goto 1 else 2
//     1: a = p8[23]                    =>   1: a = p8[23]
//        if a == 6 goto 3 else 2               if a == 6 goto 3 else 2
//     2: return 0                           2: return 0
//     3: return 1                           3: return 1
//
// Two analyses, each one sweep.  Downwards, what every matching path will need (Need).  Upwards,
// what is proven already on every path (Proof).  A guard is inserted at the first load that the
// proof does not cover, and it proves the whole need at that point.
//
// Loads relative to X go through a base pointer, packet_start + (X + base) modulo 2^32.  It keeps
// one meaning: a load's offset is counted from the base that is in the register on every path to
// it.  Where two paths meet with different bases, neither counts and the pointer is computed anew.
// (Intersecting the proven ranges while the registers differ makes loads read the wrong bytes.)
//
// When the verifier knows X to be small and offsets are not negative, the base is X itself and
// needs no range check.  Otherwise X + base is compared with the largest offset a packet pointer
// can have.  The base is then the lowest offset needed, never a lower one: with 32-bit wrap, X + 14
// may be outside the packet while X + 16 is inside.
//
// A loop's head takes what is known in front of the loop, where nothing is known of A, X and the base
// (StartLoop); the packet's length does not change.  Nothing is needed at the edge that closes a loop.
//
// Cost: O(instructions).  Does not: merge needs more than 32,768 bytes apart, share bases across X.
// Sources: Linux v6.18 kernel/bpf/verifier.c find_good_pkt_pointers(), check_packet_access().
// Tested by: tests/golden/c, and by every engine in differential/.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <ranges>

#include "passes.h"
#include "value_range.h"

namespace cbpfc {
namespace {

/// Furthest a load may lie behind its base pointer, the reach of an instruction's signed offset.
constexpr std::int64_t kMaxSpan = 32768;

/// Bytes relative to X, by signed offset: [begin, end).
struct Span {
  std::int64_t begin;
  std::int64_t end;

  bool covers(const Span& other) const { return begin <= other.begin && other.end <= end; }
};

Span span_of(const LoadIndirect& load) {
  const std::int64_t begin = static_cast<std::int32_t>(load.offset);
  return {.begin = begin, .end = begin + static_cast<std::int64_t>(load.size)};
}

/// What every path from here that can match will load.
struct Need {
  bool matches = true;           ///< false: no path from here matches, the rest says nothing
  std::uint32_t absolute = 0;    ///< bytes from the packet's start
  std::optional<Span> indirect;  ///< bytes relative to the X there is here
};

Need meet(const Need& left, const Need& right) {
  if (!left.matches || !right.matches) {
    return left.matches ? left : right;
  }
  Need both{.absolute = std::min(left.absolute, right.absolute), .indirect = std::nullopt};
  if (left.indirect && right.indirect) {
    const Span common{.begin = std::max(left.indirect->begin, right.indirect->begin),
                      .end = std::min(left.indirect->end, right.indirect->end)};
    if (common.begin < common.end) {
      both.indirect = common;
    }
  }
  return both;
}

/// The need before `step`, given the need after it; bytes relative to X further than `max_span` apart
/// share no base.
Need need_before(const Step& step, Need need, std::int64_t max_span) {
  if (writes(step, Register::X)) {
    need.indirect.reset();
  }
  if (const auto* load = std::get_if<LoadAbsolute>(&step)) {
    need.absolute = std::max(need.absolute, load->offset + static_cast<std::uint32_t>(load->size));
  } else if (const auto* header = std::get_if<LoadHeaderLength>(&step)) {
    need.absolute = std::max(need.absolute, header->offset + 1);
  } else if (const auto* indirect = std::get_if<LoadIndirect>(&step)) {
    const Span own = span_of(*indirect);
    Span joint = need.indirect.value_or(own);
    joint = {.begin = std::min(joint.begin, own.begin), .end = std::max(joint.end, own.end)};
    need.indirect = joint.end - joint.begin <= max_span ? joint : own;
  }
  return need;
}

/// What the verifier has been shown on every path to here.
struct Proof {
  struct Base {
    std::int64_t offset;  ///< the base pointer is packet_start + (X + offset)
    Span proven;
  };
  std::uint32_t absolute = 0;
  std::optional<Base> base;
};

Proof meet(const Proof& left, const Proof& right) {
  Proof both{.absolute = std::min(left.absolute, right.absolute), .base = std::nullopt};
  if (left.base && right.base && left.base->offset == right.base->offset) {
    const Span common{.begin = std::max(left.base->proven.begin, right.base->proven.begin),
                      .end = std::min(left.base->proven.end, right.base->proven.end)};
    both.base = Proof::Base{.offset = left.base->offset, .proven = common};
  }
  return both;
}

/// What is known at one point of the upward sweep.
struct State {
  Proof proof;
  ValueRange range;
};

class PacketGuards {
 public:
  PacketGuards(Cfg& cfg, std::uint32_t max_packet_offset, IndirectLoads indirect, Guards guards)
      : cfg_(cfg),
        max_packet_offset_(max_packet_offset),
        max_span_(std::min<std::int64_t>(kMaxSpan, max_packet_offset)),
        indirect_(indirect),
        guards_(guards) {}

  void run() {
    find_needs();
    std::vector<std::optional<State>> states(cfg_.blocks.size());
    states[0] = State{};
    for (BlockId id = 0; id < cfg_.blocks.size(); ++id) {
      Block& block = cfg_.blocks[id];
      if (!block.reachable) {
        continue;
      }
      State state = *states[id];
      guard_block(id, state);
      state.range = range_after(block.exit, state.range);
      for (const BlockId next : successors(block.exit)) {
        states[next] = states[next]
                           ? State{.proof = meet(states[next]->proof, state.proof),
                                   .range = ValueRange::join(states[next]->range, state.range)}
                           : state;
      }
    }
  }

 private:
  /// The need after the last step of a block.
  Need need_at_exit(const Block& block) const {
    if (const auto* constant = std::get_if<ReturnConstant>(&block.exit)) {
      return Need{.matches = constant->value != 0, .indirect = std::nullopt};
    }
    const std::vector<BlockId> next = successors(block.exit);
    if (next.empty()) {
      return Need{};
    }
    Need need = need_at_entry_[next[0]];
    for (const BlockId id : next) {
      need = meet(need, need_at_entry_[id]);
    }
    return need;
  }

  void find_needs() {
    need_at_entry_.resize(cfg_.blocks.size());
    for (BlockId id = cfg_.blocks.size(); id-- > 0;) {
      const Block& block = cfg_.blocks[id];
      if (block.reachable) {
        Need need = need_at_exit(block);
        for (const Step& step : std::views::reverse(block.steps)) {
          need = need_before(step, need, max_span_);
        }
        need_at_entry_[id] = need;
      }
    }
  }

  void guard_block(BlockId id, State& state) {
    Block& block = cfg_.blocks[id];
    std::vector<Need> needs(block.steps.size());  // before each step
    Need need = need_at_exit(block);
    for (std::size_t i = block.steps.size(); i-- > 0;) {
      need = need_before(block.steps[i], need, max_span_);
      needs[i] = need;
    }
    std::vector<Step> guarded;
    for (std::size_t i = 0; i < block.steps.size(); ++i) {
      const Step& step = block.steps[i];
      if (guards_ == Guards::Each) {
        state.proof = Proof{};
        needs[i] = need_before(step, Need{}, max_span_);
      }
      if (const auto* load = std::get_if<LoadAbsolute>(&step)) {
        prove_absolute(load->offset + static_cast<std::uint32_t>(load->size), needs[i], state,
                       guarded);
      } else if (const auto* header = std::get_if<LoadHeaderLength>(&step)) {
        prove_absolute(header->offset + 1, needs[i], state, guarded);
      }
      if (const auto* indirect = std::get_if<LoadIndirect>(&step);
          indirect != nullptr && indirect_ == IndirectLoads::FromBase) {
        guarded.emplace_back(load_from_base(*indirect, needs[i], state, guarded));
      } else {
        guarded.push_back(step);
      }
      state.range = range_after(step, state.range);
      // A call may overwrite the register with the base pointer, and so does starting a loop.
      if (writes(step, Register::X) || std::holds_alternative<CallHelper>(step) ||
          std::holds_alternative<StartLoop>(step)) {
        state.proof.base.reset();
      }
    }
    block.steps = std::move(guarded);
  }

  static void prove_absolute(std::uint32_t end, const Need& need, State& state,
                             std::vector<Step>& guarded) {
    if (end > state.proof.absolute) {
      state.proof.absolute = std::max(end, need.absolute);
      guarded.emplace_back(AbsoluteGuard{.end = state.proof.absolute});
    }
  }

  LoadFromBase load_from_base(const LoadIndirect& load, const Need& need, State& state,
                              std::vector<Step>& guarded) const {
    const Span own = span_of(load);
    if (!state.proof.base || !state.proof.base->proven.covers(own)) {
      prove_indirect(need.indirect.value_or(own), state, guarded);
    }
    return {.size = load.size,
            .offset = static_cast<std::uint32_t>(own.begin - state.proof.base->offset)};
  }

  void prove_indirect(Span span, State& state, std::vector<Step>& guarded) const {
    const bool x_is_small = span.begin >= 0 && span.end <= kMaxSpan &&
                            state.range.x_max + span.end <= max_packet_offset_;
    const std::int64_t offset = x_is_small ? 0 : span.begin;
    const bool keep_base = x_is_small && state.proof.base && state.proof.base->offset == 0;
    guarded.emplace_back(IndirectGuard{.base = static_cast<std::uint32_t>(offset),
                                       .proven_end = static_cast<std::uint32_t>(span.end - offset),
                                       .x_is_small = x_is_small,
                                       .keep_base = keep_base});
    // With X small the guard has compared base + span.end, which proves all bytes from the base up.
    state.proof.base = Proof::Base{.offset = offset, .proven = {.begin = offset, .end = span.end}};
  }

  Cfg& cfg_;
  std::uint32_t max_packet_offset_;
  std::int64_t max_span_;
  IndirectLoads indirect_;
  Guards guards_;
  std::vector<Need> need_at_entry_;
};

}  // namespace

void guard_packet(Cfg& cfg, std::uint32_t max_packet_offset, IndirectLoads indirect,
                  Guards guards) {
  PacketGuards(cfg, max_packet_offset, indirect, guards).run();
}

}  // namespace cbpfc

// SPDX-License-Identifier: BSD-3-Clause

#include "verify/prove/classic_live.h"

#include "base/overloaded.h"

namespace cbpfc::prove {
namespace {

struct Access {
  LiveSet reads = 0;
  LiveSet writes = 0;
};

LiveSet bit(Register r) {
  return r == Register::A ? kLiveA : kLiveX;
}
LiveSet bit(const Operand& operand) {
  return operand.is_x ? kLiveX : 0;
}

Access access_of(const Insn& insn) {
  return std::visit(Overloaded{
                        [](const LoadImmediate& i) { return Access{0, bit(i.dst)}; },
                        [](const LoadAbsolute&) { return Access{0, kLiveA}; },
                        [](const LoadIndirect&) { return Access{kLiveX, kLiveA}; },
                        [](const LoadHeaderLength&) { return Access{0, kLiveX}; },
                        [](const LoadLength& i) { return Access{0, bit(i.dst)}; },
                        [](const LoadAncillary&) { return Access{kLiveA | kLiveX, kLiveA}; },
                        [](const LoadScratch& i) { return Access{live_slot(i.slot), bit(i.dst)}; },
                        [](const StoreScratch& i) { return Access{bit(i.src), live_slot(i.slot)}; },
                        [](const Alu& i) { return Access{kLiveA | bit(i.operand), kLiveA}; },
                        [](const Negate&) { return Access{kLiveA, kLiveA}; },
                        [](const Transfer& i) {
                          return Access{i.dst == Register::A ? kLiveX : kLiveA, bit(i.dst)};
                        },
                        [](const Jump&) { return Access{}; },
                        [](const JumpIf& i) { return Access{kLiveA | bit(i.operand), 0}; },
                        [](const ReturnA&) { return Access{kLiveA, 0}; },
                        [](const ReturnConstant&) { return Access{}; },
                    },
                    insn);
}

}  // namespace

std::vector<std::size_t> successors(const Insn& insn, std::size_t at) {
  if (const auto* jump = std::get_if<Jump>(&insn)) {
    // The distance is signed: libpcap's loops jump backward.
    const auto distance = static_cast<std::int32_t>(jump->skip);
    return {static_cast<std::size_t>(static_cast<std::ptrdiff_t>(at) + 1 + distance)};
  }
  if (const auto* branch = std::get_if<JumpIf>(&insn)) {
    return {at + 1 + branch->skip_true, at + 1 + branch->skip_false};
  }
  if (std::holds_alternative<ReturnA>(insn) || std::holds_alternative<ReturnConstant>(insn)) {
    return {};
  }
  return {at + 1};
}

std::vector<LiveSet> live_before(std::span<const Insn> insns) {
  std::vector<LiveSet> live(insns.size(), 0);
  for (bool changed = true; changed;) {  // once more than the loops nest
    changed = false;
    for (std::size_t at = insns.size(); at-- > 0;) {
      LiveSet after = 0;
      for (const std::size_t next : successors(insns[at], at)) {
        after |= live[next];
      }
      const Access access = access_of(insns[at]);
      const LiveSet before = access.reads | (after & ~access.writes);
      changed = changed || before != live[at];
      live[at] = before;
    }
  }
  return live;
}

}  // namespace cbpfc::prove

// SPDX-License-Identifier: BSD-3-Clause

#include "verify/differential/generators/shrink.h"

#include <algorithm>
#include <chrono>
#include <optional>

namespace differential {
namespace {

using cbpfc::Filter;
using cbpfc::RawInsn;
using Program = std::vector<RawInsn>;

constexpr std::uint16_t kClassMask = 0x07;
constexpr std::uint16_t kJumpClass = 0x05;
constexpr std::uint16_t kJumpAlways = 0x05;

bool is_branch(const RawInsn& insn) {
  return (insn.code & kClassMask) == kJumpClass && insn.code != kJumpAlways;
}

/// The program without `count` instructions from `first`; jumps over and into them end up behind them.
Program without(const Program& program, std::size_t first, std::size_t count) {
  Program shorter;
  const auto moved = [&](std::size_t at) {
    return at <= first ? at : std::max(first, at - std::min(at - first, count));
  };
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (i >= first && i < first + count) {
      continue;
    }
    RawInsn insn = program[i];
    const auto skip = [&](std::size_t old) { return moved(i + 1 + old) - moved(i) - 1; };
    if (insn.code == kJumpAlways) {
      insn.k = static_cast<std::uint32_t>(skip(insn.k));
    } else if (is_branch(insn)) {
      insn.jt = static_cast<std::uint8_t>(skip(insn.jt));
      insn.jf = static_cast<std::uint8_t>(skip(insn.jf));
    }
    shorter.push_back(insn);
  }
  return shorter;
}

/// Simpler instructions that might do as well.
std::vector<RawInsn> simpler(const RawInsn& insn) {
  std::vector<RawInsn> candidates;
  if (is_branch(insn)) {
    candidates.push_back({.code = kJumpAlways, .k = insn.jt});
    candidates.push_back({.code = kJumpAlways, .k = insn.jf});
    for (const std::uint16_t code : {std::uint16_t{0x15}, std::uint16_t{0x25}}) {  // jeq, jgt
      if (code < insn.code) {
        candidates.push_back({.code = code, .jt = insn.jt, .jf = insn.jf, .k = insn.k});
      }
    }
  }
  if (insn.code != kJumpAlways) {
    for (const std::uint32_t k : {0U, 1U, insn.k & 0xffU, insn.k & 0xffffU, insn.k >> 1}) {
      if (k < insn.k) {
        candidates.push_back({.code = insn.code, .jt = insn.jt, .jf = insn.jf, .k = k});
      }
    }
  }
  return candidates;
}

/// Whether `program` is one, and still fails.
std::optional<Filter> accepted(const Program& program, const StillFails& still_fails) {
  auto filter = Filter::decode(program, cbpfc::Accept::Compiler);
  return filter && still_fails(*filter) ? std::optional(*std::move(filter)) : std::nullopt;
}

bool remove_some(Program& program, const StillFails& still_fails) {
  bool removed = false;
  for (std::size_t count = std::max<std::size_t>(program.size() / 2, 1); count > 0; count /= 2) {
    for (std::size_t first = 0; first + count <= program.size();) {
      const Program shorter = without(program, first, count);
      if (accepted(shorter, still_fails)) {
        program = shorter;
        removed = true;
      } else {
        ++first;
      }
    }
  }
  return removed;
}

bool simplify_some(Program& program, const StillFails& still_fails) {
  bool simplified = false;
  for (RawInsn& insn : program) {
    for (const RawInsn& candidate : simpler(insn)) {
      const RawInsn before = insn;
      if (candidate == before) {
        continue;
      }
      insn = candidate;
      if (accepted(program, still_fails)) {
        simplified = true;
        break;
      }
      insn = before;
    }
  }
  return simplified;
}

/// Long programs take long to try.
class Patience {
 public:
  bool lasts() const { return std::chrono::steady_clock::now() < end_; }

 private:
  std::chrono::steady_clock::time_point end_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(60);
};

}  // namespace

Filter shrink(const Filter& filter, const StillFails& fails) {
  constexpr int kMostRounds = 20;
  const Patience patience;
  const StillFails still_fails = [&](const Filter& candidate) {
    return patience.lasts() && fails(candidate);
  };
  Program program = filter.encode();
  for (int round = 0; round < kMostRounds; ++round) {
    const bool removed = remove_some(program, still_fails);
    if (!simplify_some(program, still_fails) && !removed) {
      break;
    }
  }
  return Filter::decode(program, cbpfc::Accept::Compiler).value();
}

Packet shrink(const Packet& packet, const std::function<bool(const Packet&)>& fails) {
  const Patience patience;
  const auto still_fails = [&](const Packet& candidate) {
    return patience.lasts() && fails(candidate);
  };
  Packet best = packet;
  for (bool cut = true; cut && !best.empty();) {
    Packet shorter = best;
    shorter.pop_back();
    cut = still_fails(shorter);
    best = cut ? shorter : best;
  }
  for (std::uint8_t& byte : best) {
    const std::uint8_t before = byte;
    byte = 0;
    byte = still_fails(best) ? std::uint8_t{0} : before;
  }
  return best;
}

}  // namespace differential

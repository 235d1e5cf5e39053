// SPDX-License-Identifier: BSD-3-Clause
//
// Jump distances, with islands where a distance is too long.
//
// A jump holds a signed 16-bit distance.  Where a target is further away, the jump goes to an island on
// the way instead, a second jump that ordinary flow steps over.  Islands stand together in harbours, one
// every kStride instructions:
//
//     far:  if r1 == 0 goto far_target          if r1 == 0 goto island
//           ... 40,000 instructions             ... 30,000 instructions
//                                               goto +2                  harbour: step over its islands
//                                       island: goto far_target
//                                               goto other_target
//                                               ... 10,000 instructions
//
// A far jump takes the furthest island for its target that it reaches, or has one built in the furthest
// harbour it reaches.  Islands push apart what is around them, so the routes are found again until no
// island is added: each round looks at every jump once, and few rounds are needed.
//
// Cost: O(jumps) a round.  (Linux 6.6 has a jump with a 32-bit distance; islands work everywhere and cost
// only programs of that size.)  Does not: save an island by moving a harbour.
// Source: Linux v6.18 Documentation/bpf/standardization/instruction-set.rst.
// Tested by: ebpf_test.cc.

#include "ebpf_islands.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "ebpf_opcodes.h"

namespace cbpfc::ebpf {
namespace {

/// Instructions between two harbours.  A third of a jump's reach, so that two harbours are within reach
/// even when each holds 10,000 islands.
constexpr std::size_t kStride = 10'000;

bool in_reach(std::ptrdiff_t distance) {
  return distance >= std::numeric_limits<std::int16_t>::min() &&
         distance <= std::numeric_limits<std::int16_t>::max();
}

struct Harbour {
  std::size_t before;                ///< the instruction it stands in front of
  std::vector<std::size_t> islands;  ///< the label each leads to
  std::unordered_map<std::size_t, std::size_t> islands_by_label;
  std::size_t position = 0;  ///< of its first instruction, in this round

  std::size_t size() const { return islands.empty() ? 0 : islands.size() + 1; }
  std::size_t island_position(std::size_t island) const { return position + 1 + island; }
};

class Placer {
 public:
  explicit Placer(const Unplaced& program) : program_(program) {
    for (std::size_t at = kStride; at < program.insns.size(); at += kStride) {
      const bool splits_a_pair = program.insns[at].opcode == 0;  // second half of a 16-byte load
      harbours_.push_back(
          {.before = at + (splits_a_pair ? 1 : 0), .islands = {}, .islands_by_label = {}});
    }
  }

  Result<std::vector<Insn>> run() {
    do {
      islands_were_added_ = false;
      lay_out();
      TRY(route_all());
    } while (islands_were_added_);
    return emit();
  }

 private:
  /// Gives each harbour its place behind the islands of those before it.
  void lay_out() {
    std::size_t islands_before = 0;
    for (Harbour& harbour : harbours_) {
      harbour.position = harbour.before + islands_before;
      islands_before += harbour.size();
    }
  }

  /// Where instruction `insn` is; a harbour that stands in front of it is before it.
  std::size_t position(std::size_t insn) const {
    const auto behind = std::ranges::upper_bound(harbours_, insn, {}, &Harbour::before);
    if (behind == harbours_.begin()) {
      return insn;
    }
    const Harbour& harbour = *(behind - 1);
    return harbour.position + harbour.size() + (insn - harbour.before);
  }

  Result<void> route_all() {
    for (const Unplaced::Jump& jump : program_.jumps) {
      TRY(route(position(jump.insn), jump.label));
    }
    for (const Harbour& harbour : harbours_) {
      for (std::size_t island = 0; island < harbour.islands.size(); ++island) {
        TRY(route(harbour.island_position(island), harbour.islands[island]));
      }
    }
    return {};
  }

  /// The position at which a jump from `from` to a label goes on: the label's, or an island's.
  Result<std::size_t> route(std::size_t from, std::size_t label) {
    const std::size_t target = position(program_.labels[label]);
    if (in_reach(distance(from, target))) {
      return target;
    }
    Harbour* furthest = nullptr;
    for (Harbour* harbour : harbours_in_reach(from, target > from)) {
      furthest = furthest == nullptr ? harbour : furthest;
      const auto island = harbour->islands_by_label.find(label);
      if (island != harbour->islands_by_label.end() &&
          in_reach(distance(from, harbour->island_position(island->second)))) {
        return harbour->island_position(island->second);
      }
    }
    if (furthest == nullptr) {
      return fail(Errc::Unsupported,
                  fmt::format("assemble: too many jumps further than {} instructions: no way from "
                              "instruction {} to {}",
                              std::numeric_limits<std::int16_t>::max(), from, target));
    }
    furthest->islands_by_label.emplace(label, furthest->islands.size());
    furthest->islands.push_back(label);
    islands_were_added_ = true;
    return target;  // of no consequence: there will be another round
  }

  static std::ptrdiff_t distance(std::size_t from, std::size_t to) {
    return static_cast<std::ptrdiff_t>(to) - static_cast<std::ptrdiff_t>(from) - 1;
  }

  /// The harbours on one side of `from` to whose end a jump reaches, the furthest first.
  std::vector<Harbour*> harbours_in_reach(std::size_t from, bool upwards) {
    std::vector<Harbour*> found;
    const auto next = std::ranges::upper_bound(harbours_, from, {}, &Harbour::position);
    const auto reaches = [&](const Harbour& harbour) {
      return in_reach(distance(from, harbour.position)) &&
             in_reach(distance(from, harbour.position + harbour.size() + 1));
    };
    if (upwards) {
      for (auto it = next; it != harbours_.end() && reaches(*it); ++it) {
        found.push_back(&*it);
      }
    } else {
      for (auto it = next; it != harbours_.begin() && reaches(*(it - 1)); --it) {
        if (from > (it - 1)->position + (it - 1)->size()) {  // not the harbour `from` is in
          found.push_back(&*(it - 1));
        }
      }
    }
    std::ranges::reverse(found);
    return found;
  }

  Result<std::vector<Insn>> emit() {
    std::vector<Insn> out;
    std::size_t copied = 0;
    const auto copy_up_to = [&](std::size_t insn) {
      out.insert(out.end(), program_.insns.begin() + static_cast<std::ptrdiff_t>(copied),
                 program_.insns.begin() + static_cast<std::ptrdiff_t>(insn));
      copied = insn;
    };
    const Insn jump{.opcode = opcode::kJmp | opcode::kJa};
    for (const Harbour& harbour : harbours_) {
      copy_up_to(harbour.before);
      out.insert(out.end(), harbour.size(), jump);
    }
    copy_up_to(program_.insns.size());
    const auto set = [&](std::size_t from, std::size_t to) {
      out[from].offset = static_cast<std::int16_t>(distance(from, to));
    };
    for (const Unplaced::Jump& each : program_.jumps) {
      const std::size_t from = position(each.insn);
      set(from, TRY(route(from, each.label)));
    }
    for (const Harbour& harbour : harbours_) {
      if (harbour.size() > 0) {
        set(harbour.position, harbour.position + harbour.size());
      }
      for (std::size_t island = 0; island < harbour.islands.size(); ++island) {
        const std::size_t from = harbour.island_position(island);
        set(from, TRY(route(from, harbour.islands[island])));
      }
    }
    return out;
  }

  const Unplaced& program_;
  std::vector<Harbour> harbours_;
  bool islands_were_added_ = false;
};

}  // namespace

Result<std::vector<Insn>> place(const Unplaced& program) {
  return Placer(program).run();
}

}  // namespace cbpfc::ebpf

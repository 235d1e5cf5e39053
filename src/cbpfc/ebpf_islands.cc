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
// harbour it reaches.  Islands push apart what is around them, so the routes are checked again until all
// hold.  What a jump has left for another island may then be led to by none, which the verifier would
// refuse; taking it out brings the rest closer together, so no route breaks.
//
// Cost: O(jumps) a round, few rounds.  (Linux 6.6 has a jump with a 32-bit distance; islands work everywhere
// and cost only programs of that size.)  Does not: save an island by moving a harbour.
// Source: Linux v6.18 Documentation/bpf/standardization/instruction-set.rst; kernel/bpf/verifier.c
// check_cfg() for unreachable instructions.
// Tested by: ebpf_test.cc.

#include "ebpf_islands.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "ebpf_opcodes.h"

namespace cbpfc::ebpf {
namespace {

/// Instructions between two harbours.  A third of a jump's reach, so that two harbours are within reach
/// even when each holds 10,000 islands.
constexpr std::size_t kStride = 10'000;

/// How far a jump goes, with room for what the kernel makes of the instructions in between: it replaces loads from the
/// context and calls by several, and refuses a program in which a distance then does not fit any more.
constexpr std::ptrdiff_t kReach = 30'000;

bool in_reach(std::ptrdiff_t distance) {
  return distance >= -kReach && distance <= kReach;
}

struct IslandId {
  std::size_t harbour;
  std::size_t island;
};

/// Where a jump goes on: an island, or its target.
using Route = std::optional<IslandId>;

struct Island {
  std::size_t label;
  Route route = std::nullopt;
  bool is_used = false;
};

struct Harbour {
  std::size_t before;   ///< the instruction it stands in front of
  bool is_walked_into;  ///< the instruction before goes on here: islands are stepped over
  std::vector<Island> islands;
  std::unordered_map<std::size_t, std::size_t> island_of_label;
  std::size_t position = 0;  ///< of its first instruction

  std::size_t size() const {
    return islands.empty() ? 0 : islands.size() + (is_walked_into ? 1 : 0);
  }
  std::size_t position_of(std::size_t island) const {
    return position + (is_walked_into ? 1 : 0) + island;
  }
};

bool goes_on(const Insn& insn) {
  return insn.opcode != (opcode::kJmp | opcode::kJa) &&
         insn.opcode != (opcode::kJmp | opcode::kExit);
}

class Placer {
 public:
  explicit Placer(const Unplaced& program) : program_(program), routes_(program.jumps.size()) {
    for (std::size_t at = kStride; at < program.insns.size(); at += kStride) {
      const bool splits_a_pair = program.insns[at].opcode == 0;  // second half of a 16-byte load
      const std::size_t before = at + (splits_a_pair ? 1 : 0);
      harbours_.push_back({.before = before,
                           .is_walked_into = goes_on(program.insns[before - 1]),
                           .islands = {},
                           .island_of_label = {}});
    }
  }

  Result<std::vector<Insn>> run() {
    do {
      routes_hold_ = true;
      lay_out();
      TRY(route_all());
    } while (!routes_hold_);
    remove_unused();
    lay_out();
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

  /// Where a jump to `label` that takes `route` goes.
  std::size_t landing(const Route& route, std::size_t label) const {
    return route ? harbours_[route->harbour].position_of(route->island)
                 : position(program_.labels[label]);
  }

  Result<void> route_all() {
    for (std::size_t i = 0; i < program_.jumps.size(); ++i) {
      const Unplaced::Jump& jump = program_.jumps[i];
      TRY(route(position(jump.insn), jump.label, routes_[i]));
    }
    for (Harbour& harbour : harbours_) {
      for (std::size_t i = 0; i < harbour.islands.size(); ++i) {
        Route found = harbour.islands[i].route;
        TRY(route(harbour.position_of(i), harbour.islands[i].label, found));
        harbour.islands[i].route = found;
      }
    }
    return {};
  }

  /// Gives a jump from `from` to a label another route if it has none that holds.
  Result<void> route(std::size_t from, std::size_t label, Route& route) {
    if (in_reach(distance(from, landing(route, label)))) {
      return {};
    }
    routes_hold_ = false;
    const std::size_t target = position(program_.labels[label]);
    std::optional<std::size_t> furthest;
    for (const std::size_t at : harbours_in_reach(from, target > from)) {
      Harbour& harbour = harbours_[at];
      furthest = furthest.value_or(at);
      const auto island = harbour.island_of_label.find(label);
      if (island != harbour.island_of_label.end() &&
          in_reach(distance(from, harbour.position_of(island->second)))) {
        route = IslandId{.harbour = at, .island = island->second};
        return {};
      }
    }
    if (!furthest) {
      return fail(
          Errc::TooLarge,
          fmt::format("assemble: too many jumps further than {} instructions in a program of "
                      "{}: no way from instruction {} to {}; {}",
                      kReach, program_.insns.size(), from, target, kHowToShorten));
    }
    Harbour& harbour = harbours_[*furthest];
    const auto [island, is_new] = harbour.island_of_label.emplace(label, harbour.islands.size());
    if (is_new) {
      harbour.islands.push_back({.label = label});
    }
    route = IslandId{.harbour = *furthest, .island = island->second};
    return {};
  }

  static std::ptrdiff_t distance(std::size_t from, std::size_t to) {
    return static_cast<std::ptrdiff_t>(to) - static_cast<std::ptrdiff_t>(from) - 1;
  }

  /// The harbours on one side of `from` to whose ends a jump reaches, the furthest first.
  std::vector<std::size_t> harbours_in_reach(std::size_t from, bool upwards) const {
    std::vector<std::size_t> found;
    const auto next = static_cast<std::size_t>(
        std::ranges::upper_bound(harbours_, from, {}, &Harbour::position) - harbours_.begin());
    const auto reaches = [&](std::size_t at) {
      const Harbour& harbour = harbours_[at];
      return in_reach(distance(from, harbour.position)) &&
             in_reach(distance(from, harbour.position + harbour.size() + 1));
    };
    if (upwards) {
      for (std::size_t at = next; at < harbours_.size() && reaches(at); ++at) {
        found.push_back(at);
      }
    } else {
      for (std::size_t at = next; at > 0 && reaches(at - 1); --at) {
        const Harbour& harbour = harbours_[at - 1];
        if (from >= harbour.position + harbour.size()) {  // not the harbour `from` is in
          found.push_back(at - 1);
        }
      }
    }
    std::ranges::reverse(found);
    return found;
  }

  void remove_unused() {
    std::vector<Route> open = routes_;
    while (!open.empty()) {
      const Route route = open.back();
      open.pop_back();
      if (route) {
        Island& island = harbours_[route->harbour].islands[route->island];
        if (!std::exchange(island.is_used, true)) {
          open.push_back(island.route);
        }
      }
    }
    std::vector<std::vector<std::size_t>> moved;  // harbour, island -> island
    for (Harbour& harbour : harbours_) {
      std::vector<std::size_t>& to = moved.emplace_back();
      std::size_t kept = 0;
      for (const Island& island : harbour.islands) {
        to.push_back(kept);
        kept += island.is_used ? 1 : 0;
      }
      std::erase_if(harbour.islands, [](const Island& island) { return !island.is_used; });
    }
    const auto follow = [&](Route& route) {
      if (route) {
        route->island = moved[route->harbour][route->island];
      }
    };
    std::ranges::for_each(routes_, follow);
    for (Harbour& harbour : harbours_) {
      for (Island& island : harbour.islands) {
        follow(island.route);
      }
    }
  }

  std::vector<Insn> emit() const {
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
    for (std::size_t i = 0; i < program_.jumps.size(); ++i) {
      set(position(program_.jumps[i].insn), landing(routes_[i], program_.jumps[i].label));
    }
    for (const Harbour& harbour : harbours_) {
      if (harbour.size() > harbour.islands.size()) {
        set(harbour.position, harbour.position + harbour.size());
      }
      for (std::size_t i = 0; i < harbour.islands.size(); ++i) {
        set(harbour.position_of(i), landing(harbour.islands[i].route, harbour.islands[i].label));
      }
    }
    return out;
  }

  const Unplaced& program_;
  std::vector<Route> routes_;  ///< of each jump
  std::vector<Harbour> harbours_;
  bool routes_hold_ = false;
};

}  // namespace

Result<std::vector<Insn>> place(const Unplaced& program) {
  return Placer(program).run();
}

}  // namespace cbpfc::ebpf
